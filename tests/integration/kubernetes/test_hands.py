"""Other hands in our Secrets: what people and other field managers do, and what comes of it.

One daemon, whose clocks run fast, so that a slow round over its Secrets takes ten seconds; each
Secret is done something else to at once, and then a renewal comes.
"""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest

from lightkeeper.core.reasons import DELIVERY, Reason
from tests.integration.kubernetes.cluster import (
    EXPIRY,
    KEY,
    NAME,
    Cluster,
    faked_time,
    login,
    marks,
    prepared,
    within,
)
from tests.integration.process import Daemon
from tests.real.cluster import APPLY, MERGE, ApiServer

pytestmark = pytest.mark.timeout(180)  # the first of them does all that is asked of the others
ROUND_SECONDS: Final = 45.0
"""More than a slow round and a repair take on a loaded machine, at the pace of `FAST`."""
FAST: Final = "+0 x6"
OTHER: Final = {"registry.example.com": {"auth": "c29tZWJvZHk6ZmFrZQ=="}}
STRANGER: Final = {"auth": "c3RyYW5nZXI6ZmFrZQ=="}
DOCKER: Final = "kubernetes.io/dockerconfigjson"

OWN: Final = (
    *("removed", "replaced", "labelled", "annotated", "taken"),
    *("deleted", "typed", "immutable", "malformed"),
)
SHARED: Final = ("removed", "joined", "taken", "deleted", "edited")
STURDY: Final = ("replaced", "taken")
NAMES: Final = {"own": NAME, "shared": "shared-push", "sturdy": "sturdy-push"}


@dataclass
class Hands:
    """The daemon, and what others do to its Secrets: in each namespace something else."""

    cluster: Cluster
    daemon: Daemon
    places: Mapping[tuple[str, str], str]
    """The namespace, by output and by what is done there."""

    def path(self, output: str, deed: str) -> str:
        namespace = self.places[output, deed]
        return f"/api/v1/namespaces/{namespace}/secrets/{NAMES[output]}"

    def auths(self, output: str, deed: str) -> dict[str, Any]:
        return self.cluster.auths(self.places[output, deed], NAMES[output])

    def secret(self, output: str, deed: str) -> dict[str, Any]:
        found = self.cluster.secret(self.places[output, deed], NAMES[output])
        assert found is not None
        return found

    def is_good(self, output: str, deed: str) -> bool:
        return self.cluster.is_good(self.places[output, deed], NAMES[output])

    def events(self, name: str, output: str, deed: str) -> list[dict[str, Any]]:
        place = f"{self.places[output, deed]}/{NAMES[output]}"
        return [one for one in self.daemon.events(name) if one.get("place") == place]

    def is_told_to_fail(self, deed: str) -> bool:
        return bool(self.events("delivery_failed", "own", deed))

    def is_annotated_again(self) -> bool:
        return marks(self.secret("own", "annotated"))[EXPIRY] != "never"

    def patch(self, output: str, deed: str, patch: object, manager: str) -> None:
        path = f"{self.path(output, deed)}?fieldManager={manager}"
        self.cluster.api.done("PATCH", path, patch, kind=MERGE)

    def take(self, output: str, deed: str, auths: Mapping[str, object], manager: str) -> None:
        """By server-side apply of a whole Secret, as Helm and GitOps do."""
        namespace, name = self.places[output, deed], NAMES[output]
        whole = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": DOCKER}
        path = f"{self.path(output, deed)}?fieldManager={manager}&force=true"
        self.cluster.api.done("PATCH", path, {**whole, **holding(auths)}, kind=APPLY)
        assert self.cluster.auths(namespace, name) == auths

    def kubectl(self, output: str, deed: str, *words: str) -> None:
        kind, *more = words
        namespace = self.places[output, deed]
        self.cluster.api.kubectl("-n", namespace, kind, "secret", NAMES[output], *more)


def holding(auths: Mapping[str, object]) -> dict[str, object]:
    """The data of a Secret."""
    return {"data": {KEY: base64.b64encode(json.dumps({"auths": auths}).encode()).decode()}}


def configuration(places: Mapping[tuple[str, str], str], state: str) -> str:
    def output(name: str, more: str) -> str:
        namespaces = ", ".join(one for (kind, _), one in places.items() if kind == name)
        return (
            f"      - {{type: kubernetes_secret, name: {name}, secret: {NAMES[name]},"
            f" namespaces: [{namespaces}]{more}}}\n"
        )

    more = {"own": "", "shared": ", merge: true", "sturdy": ", if_foreign: replace"}
    return login("".join(output(*one) for one in more.items()), f"state: {{secret: {state}}}\n")


@pytest.fixture(scope="module")
def hands(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hands]:
    """All is done, its consequences are there, and a renewal has passed."""
    with prepared(api_server, tmp_path_factory.mktemp("hands")) as cluster:
        deeds = (("own", OWN), ("shared", SHARED), ("sturdy", STURDY))
        places = {(kind, deed): api_server.namespace() for kind, done in deeds for deed in done}
        file = cluster.configure("daemon", configuration(places, f"{cluster.home}/state"))
        cluster.apply_rights(file)
        fast = faked_time(FAST)
        with cluster.running(file, cluster.kubeconfig(), more=fast) as running:
            made = Hands(cluster, running, places)
            within(ROUND_SECONDS, "all Secrets", lambda: all(made.is_good(*one) for one in places))
            do_all(made)
            settle(made)
            renewed = len(running.events("credential_delivered"))
            running.signal(signal.SIGUSR1)
            running.wait_for("credential_delivered", renewed + 1)
            yield made


def do_all(hands: Hands) -> None:
    """One thing in each namespace."""
    registry = hands.cluster.lightsail.registry
    hands.patch("own", "removed", holding({}), "kubectl-patch")
    hands.patch("own", "replaced", holding({registry: STRANGER}), "somebody")
    hands.kubectl("own", "labelled", "label", "team=build")
    hands.kubectl("own", "annotated", "annotate", "--overwrite", f"{EXPIRY}=never")
    hands.take("own", "taken", OTHER, "helm")
    hands.kubectl("own", "deleted", "delete")
    hands.kubectl("own", "typed", "delete")
    whole = {"metadata": {"name": NAME}, "type": "Opaque", "data": {"a": "Yg=="}}
    namespace = hands.places["own", "typed"]
    hands.cluster.api.done("POST", f"/api/v1/namespaces/{namespace}/secrets", whole)
    hands.patch("own", "immutable", {"immutable": True}, "kubectl-patch")
    broken = base64.b64encode(b'{"auths": 5}').decode()
    hands.patch("own", "malformed", {"data": {KEY: broken}}, "kubectl-edit")

    hands.patch("shared", "removed", holding(OTHER), "kubectl-edit")
    joined = holding({**hands.auths("shared", "joined"), **OTHER})
    joined["data"] |= {"note": "bWluZQ=="}  # type: ignore[operator]
    joined["metadata"] = {"labels": {"team": "build"}, "annotations": {"team": "us"}}
    hands.patch("shared", "joined", joined, "kubectl-edit")
    hands.take("shared", "taken", OTHER, "helm")
    hands.kubectl("shared", "deleted", "delete")
    auths = json.dumps({"auths": {**OTHER, **hands.auths("shared", "edited")}}, indent=4)
    coded = base64.b64encode(auths.encode()).decode()
    hands.patch("shared", "edited", {"data": {KEY: coded}}, "kubectl-edit")

    hands.patch("sturdy", "replaced", holding({registry: STRANGER}), "somebody")
    hands.take("sturdy", "taken", OTHER, "helm")


def settle(hands: Hands) -> None:
    """Wait for what a slow round makes of it."""
    healed = (("own", ("removed", "deleted")), ("shared", SHARED), ("sturdy", STURDY))
    for output, deeds in healed:
        for deed in deeds:
            within(ROUND_SECONDS, f"{output} {deed}", partial(hands.is_good, output, deed))
    for deed in ("replaced", "taken", "typed", "immutable", "malformed"):
        within(ROUND_SECONDS, f"{deed} told", partial(hands.is_told_to_fail, deed))
    within(ROUND_SECONDS, "the annotation", hands.is_annotated_again)


def told(hands: Hands, event: str, output: str, deed: str) -> dict[str, Any]:
    """The one line of that kind."""
    (line,) = hands.events(event, output, deed)
    return line


@pytest.mark.parametrize(
    ("output", "deed", "cause", "by"),
    [
        ("own", "removed", "removed", "kubectl-patch"),
        ("own", "annotated", "altered", None),
        ("own", "deleted", "removed", None),
        ("shared", "removed", "removed", "kubectl-edit"),
        ("shared", "taken", "removed", "helm"),
        ("shared", "deleted", "removed", None),
        ("sturdy", "replaced", "replaced", "somebody"),
        ("sturdy", "taken", "removed", "helm"),
    ],
)
def test_what_was_done_is_told_with_who_did_it_and_mended(
    hands: Hands, output: str, deed: str, cause: str, by: str | None
) -> None:
    drifted = told(hands, "place_drifted", output, deed)
    repaired = told(hands, "place_delivered", output, deed)

    assert (drifted["cause"], drifted.get("by")) == (cause, by)
    assert repaired["repaired"] == cause
    assert hands.is_good(output, deed)


@pytest.mark.parametrize(
    ("deed", "reason", "detail"),
    [
        ("replaced", "conflict", "written by somebody"),
        ("taken", "conflict", "helm manages it, and keeps logins of other registries in it"),
        ("typed", "wrong_type", "it is of type Opaque"),
        ("immutable", "immutable", "it is current, and the next would fail: it is marked as"),
        ("malformed", "malformed", "its auths is not an object"),
    ],
)
def test_what_must_stay_is_told_once_with_its_reason_and_what_to_do(
    hands: Hands, deed: str, reason: str, detail: str
) -> None:
    failed = told(hands, "delivery_failed", "own", deed)

    assert failed["reason"] == reason
    assert detail in failed["detail"]
    assert failed["advice"] == DELIVERY[Reason(reason)].advice
    place = f"{hands.places['own', deed]}/{NAME}"
    status = json.loads(hands.daemon.get("/readyz?places=all")[1])
    assert reason in {one["reason"] for one in status["failing"] if one["place"] == place}


def test_what_must_stay_has_stayed(hands: Hands) -> None:
    registry = hands.cluster.lightsail.registry

    assert hands.auths("own", "replaced") == {registry: STRANGER}
    assert hands.auths("own", "taken") == OTHER
    assert hands.secret("own", "typed")["data"] == {"a": "Yg=="}
    broken = base64.b64decode(hands.secret("own", "malformed")["data"][KEY])
    assert broken == b'{"auths": 5}'


def test_an_immutable_secret_keeps_the_login_that_it_has(hands: Hands) -> None:
    """That the next could not be written was told before a renewal came."""
    assert hands.is_good("own", "immutable")
    assert hands.cluster.lightsail.calls() == 2


@pytest.mark.parametrize("output", ["own", "shared"])
def test_a_label_of_others_survives_a_renewal(hands: Hands, output: str) -> None:
    deed = {"own": "labelled", "shared": "joined"}[output]

    assert hands.secret(output, deed)["metadata"]["labels"]["team"] == "build"
    assert hands.events("place_drifted", output, deed) == []


@pytest.mark.parametrize("deed", ["removed", "joined", "taken", "edited"])
def test_a_shared_secret_keeps_what_others_have_in_it(hands: Hands, deed: str) -> None:
    auths = hands.auths("shared", deed)

    assert auths.keys() == {hands.cluster.lightsail.registry, *OTHER}
    assert auths.items() >= OTHER.items()


def test_a_shared_secret_keeps_data_and_annotations_of_others(hands: Hands) -> None:
    secret = hands.secret("shared", "joined")

    assert secret["data"]["note"] == "bWluZQ=="
    assert secret["metadata"]["annotations"]["team"] == "us"


def test_others_in_some_secrets_leave_the_daemon_ready(hands: Hands) -> None:
    assert hands.daemon.get("/readyz")[0] == 200
    assert hands.daemon.get("/readyz?places=all")[0] == 503
