"""Secrets, state and leader election: what is read, and what does not go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightkeeper.config.environment import Meant
from lightkeeper.config.load import meant
from lightkeeper.config.model import KubernetesSecret, LeaderElection, WhichCluster
from lightkeeper.config.values import Duration, ObjectName, Rate
from tests.config.loading import FILE, a_host, loaded, refusal, secrets

OUTPUT = "logins:\n- region: a\n  outputs:\n  - type: kubernetes_secret\n"
IN_CI = f"{OUTPUT}    namespaces: [ci]\n"
LINE = "logins: [{region: a, outputs: [{type: docker_config, path: /a}]}]\n"
ELECTED = f"{LINE}state: {{secret: ops/state}}\n"
SELECTOR = 'a label selector such as "ci=true" or "team in (a, b)"'
A_NAMESPACE = 'a namespace, or a pattern of them such as "team-*"'
NOWHERE = "name no namespace, and there is no namespace_selector; expected one of the two"


def test_a_secret_has_a_default_for_all_but_where() -> None:
    (output,) = secrets(loaded(IN_CI).config.logins[0])

    assert output == KubernetesSecret(
        name="kubernetes_secret:lightsail-push",
        secret="lightsail-push",
        namespaces=("ci",),
        namespace_selector=None,
        exclude=(),
        labels={},
        annotations={},
        cluster=WhichCluster(kubeconfig=None, context=None, qps=Rate(20)),
        if_foreign="report",
        merge=False,
        prune=False,
    )


def test_a_secret_is_read_in_full() -> None:
    document = f"""{OUTPUT}
    name: n
    secret: push.example
    namespaces: [ci, "team-*", "*"]
    namespace_selector: ci=true,team in (a, b)
    exclude: [kube-*]
    labels: {{team: a, example.com/x: ""}}
    annotations: {{note: "ü, and more"}}
    cluster: {{kubeconfig: ~/k, context: build, qps: 50}}
    if_foreign: replace
    merge: true
    prune: true
"""
    (output,) = secrets(loaded(document).config.logins[0])

    assert output == KubernetesSecret(
        name="n",
        secret="push.example",
        namespaces=("ci", "team-*", "*"),
        namespace_selector="ci=true,team in (a, b)",
        exclude=("kube-*",),
        labels={"team": "a", "example.com/x": ""},
        annotations={"note": "ü, and more"},
        cluster=WhichCluster(kubeconfig=Path("/home/ci/k"), context="build", qps=Rate(50)),
        if_foreign="replace",
        merge=True,
        prune=True,
    )


def test_requests_have_no_limit_where_that_is_said() -> None:
    (output,) = secrets(loaded(f"{IN_CI}    cluster: {{qps: none}}\n").config.logins[0])

    assert output.cluster.qps is None


@pytest.mark.parametrize("namespaces", ["", "    namespaces: []\n"])
def test_where_a_secret_goes_is_said_or_it_is_an_error(namespaces: str) -> None:
    """Not even the pod's own namespace is guessed: whoever builds there can push."""
    line = 5 if namespaces else 4
    key = "logins[0].outputs[0].namespaces"

    assert refusal(OUTPUT + namespaces) == f"{FILE}:{line}: {key}: {NOWHERE}"
    assert loaded(f"{OUTPUT}{namespaces}    namespace_selector: ci\n")


KEYS = ", ".join(KubernetesSecret.__struct_fields__)
BAD = [
    ("namespaces: [Ci]", f"namespaces[0]: Ci is not {A_NAMESPACE}"),
    ("namespaces: [ci, -a]", f"namespaces[1]: -a is not {A_NAMESPACE}"),
    ("namespaces: ci", "namespaces: is a text; expected a list"),
    ("namespaces: [[ci]]", f"namespaces[0]: is a list; expected {A_NAMESPACE}"),
    (
        "namespaces: [7]",
        f"namespaces[0]: 7 is a number to YAML unless it is in quotes; expected {A_NAMESPACE}",
    ),
    ("namespace_selector: a > 1", f"namespace_selector: the value is not {SELECTOR}"),
    ("namespace_selector: {a: b}", f"namespace_selector: is a mapping; expected {SELECTOR}"),
    (
        "secret: Push",
        "secret: Push is not the name of a Secret: lower-case letters, digits, hyphens and dots",
    ),
    ("labels: [a]", "labels: is a list; expected a mapping"),
    ("labels:", "labels: is empty; expected a mapping"),
    (
        "labels: {lightkeeper.io/a: b}",
        (
            "labels.lightkeeper.io/a: is not a label's key such as example.com/team;"
            " lightkeeper.io/ is Lightkeeper's own"
        ),
    ),
    (
        "labels: {ci: true}",
        (
            "labels.ci: true is a yes-or-no word to YAML unless it is in quotes;"
            " expected a label's value: at most 63 letters, digits and -_."
        ),
    ),
    (
        "labels: {ci: a b}",
        "labels.ci: a b is not a label's value: at most 63 letters, digits and -_.",
    ),
    ("annotations: {ci: [a]}", "annotations.ci: is a list; expected a text in one line"),
    (
        r'annotations: {ci: "a\nb"}',
        "annotations.ci: holds a character that cannot be printed; expected a text in one line",
    ),
    (
        r'annotations: {"a\n": b}',
        (
            "annotations.a key: is not an annotation's key such as example.com/team;"
            " lightkeeper.io/ is Lightkeeper's own"
        ),
    ),
    (
        "annotations: {lightkeeper.io/login: b}",
        (
            "annotations.lightkeeper.io/login: is not an annotation's key such as example.com/team;"
            " lightkeeper.io/ is Lightkeeper's own"
        ),
    ),
    (
        "cluster: {kubeconfig: k}",
        ("cluster.kubeconfig: is not an absolute path; expected one that begins with / or ~/"),
    ),
    (
        "cluster: {kubeconfg: /k}",
        "cluster.kubeconfg: is not a key of this; did you mean kubeconfig?",
    ),
    ("cluster: {qps: 0}", "cluster.qps: 0 is not a whole number from 1 to 9999, or none"),
    (
        "cluster: {qps: yes}",
        (
            "cluster.qps: yes is a yes-or-no word to YAML unless it is in quotes;"
            " expected a whole number from 1 to 9999, or none"
        ),
    ),
    ("cluster: ci", "cluster: is a text; expected a mapping"),
    ("if_foreign: keep", "if_foreign: keep is not known; expected one of report, replace"),
    ("path: /a", f"path: is not a key of this; expected one of {KEYS}"),
]


@pytest.mark.parametrize(("line", "said"), BAD)
def test_a_bad_value_of_a_secret_is_said_with_its_line_and_key(line: str, said: str) -> None:
    at = 5 if line.startswith("namespaces") else 6
    document = OUTPUT if at == 5 else IN_CI

    assert refusal(f"{document}    {line}\n") == f"{FILE}:{at}: logins[0].outputs[0].{said}"


def test_annotations_are_no_more_than_kubernetes_takes() -> None:
    most = "a" * (124 << 10)
    document = f"{IN_CI}    annotations:\n      x: {most}\n      y: {most}"

    assert loaded(document[:-2])
    assert refusal(document) == (
        f"{FILE}:6: logins[0].outputs[0].annotations: are more than 248 KiB;"
        " Kubernetes takes no more"
    )


def test_what_is_wrong_beside_an_unknown_type_is_held_against_every_type() -> None:
    document = "logins:\n- region: a\n  outputs:\n  - type: kubernetes\n"
    document += "    namespaces: [A]\n    path: b\n    labels: 7\n    mege: true\n"

    said = [line.split(": ")[1].rpartition(".")[2] for line in refusal(document).splitlines()]

    assert said == ["type", "namespaces[0]", "path", "labels", "mege"]


def two(one: str, other: str, *, apart: bool = False) -> str:
    """Two outputs, of one login or of two."""
    login = "- region: b\n  outputs:\n" if apart else ""
    return (
        f"logins:\n- region: a\n  outputs:\n  - {{type: kubernetes_secret, name: a, {one}}}\n"
        f"{login}  - {{type: kubernetes_secret, name: b, {other}}}\n"
    )


SAME = [
    ("namespaces: [ci], cluster: {qps: 5}", "namespaces: [ci], cluster: {qps: 6}", "0"),
    ("namespaces: [ci]", "namespaces: [x, ci]", "1"),
    ("namespaces: [ci, x-*]", "secret: lightsail-push, namespaces: [ci]", "0"),
    (
        "namespaces: [ci], cluster: {kubeconfig: ~/k}",
        "namespaces: [ci], merge: true, cluster: {kubeconfig: /home/ci/k}",
        "0",
    ),
]


@pytest.mark.parametrize(("one", "other", "index"), SAME)
def test_a_login_names_a_secret_once(one: str, other: str, index: str) -> None:
    assert refusal(two(one, other)) == (
        f"{FILE}:5: logins[0].outputs[1].namespaces[{index}]: is the same Secret as"
        " logins[0].outputs[0].namespaces[0] in line 4; expected it once"
    )


@pytest.mark.parametrize(
    "other",
    [
        "namespaces: [other]",
        "namespaces: ['*']",
        "namespaces: ['?i', 'c?', 'c?']",
        "namespaces: [ci], secret: other",
        "namespaces: [ci], cluster: {context: other}",
        "namespaces: [ci], cluster: {kubeconfig: /other}",
    ],
)
def test_secrets_that_are_not_the_same_are_two(other: str) -> None:
    assert loaded(two("namespaces: [ci]", other))


def test_a_namespace_that_is_named_twice_is_said() -> None:
    assert refusal(f"{OUTPUT}    namespaces: [ci, ci]\n").endswith(
        "namespaces[1]: is the same Secret as logins[0].outputs[0].namespaces[0] in line 5;"
        " expected it once"
    )


APART = [
    ("", "", " for another login; expected merge: true for both, or two Secrets"),
    ("merge: true", "", " for another login; expected merge: true for both, or two Secrets"),
    ("", "merge: true", " for another login; expected merge: true for both, or two Secrets"),
    (
        "merge: true, labels: {a: b}",
        "merge: true",
        ", which has other labels; expected the same for both",
    ),
    (
        "merge: true, annotations: {a: b}",
        "merge: true, annotations: {a: c}",
        ", which has other annotations; expected the same for both",
    ),
]


@pytest.mark.parametrize(("one", "other", "said"), APART)
def test_two_logins_share_a_secret_only_where_both_merge(one: str, other: str, said: str) -> None:
    assert refusal(two(f"namespaces: [ci], {one}", f"namespaces: [ci], {other}", apart=True)) == (
        f"{FILE}:7: logins[1].outputs[0].namespaces[0]: is the same Secret as"
        f" logins[0].outputs[0].namespaces[0] in line 4{said}"
    )


def test_two_logins_that_merge_share_a_secret() -> None:
    shared = "namespaces: [ci], merge: true, labels: {a: b}"

    assert loaded(two(shared, f"{shared}, if_foreign: replace", apart=True))


FOUND = [
    ("namespaces: ['*']", "namespaces: ['team-*']"),
    ("namespaces: ['c*-i']", "namespaces: ['ci-*i', x]"),
    ("namespaces: [ci, 'x-*']", "namespaces: ['c*']"),
    ("namespaces: [ci]", "namespaces: ['c*']"),
    ("namespaces: ['c*']", "namespaces: [ci]"),
    ("namespaces: ['c*'], cluster: {qps: 5}", "namespaces: [ci], cluster: {qps: 6}"),
    ("namespace_selector: ci=true", "namespaces: [ci]"),
    ("namespace_selector: ci=true", "namespace_selector: ci"),
]


@pytest.mark.parametrize("key", ["labels", "annotations"])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("one", "other"), FOUND)
def test_outputs_that_may_find_the_same_secret_mark_it_alike(
    one: str, other: str, key: str, *, apart: bool
) -> None:
    """What one of them puts there the other would take for somebody else's, for ever."""
    marks, login = f"merge: true, {key}: {{a: b}}", "logins[1].outputs[0]"
    line, at = (7, login) if apart else (5, "logins[0].outputs[1]")

    said = refusal(two(f"{one}, {marks}", f"{other}, merge: true", apart=apart))

    assert said == (
        f"{FILE}:{line}: {at}.{key}: differ from those of logins[0].outputs[0] in line 4, which may"
        " find the same Secret; expected the same for both"
    )
    assert loaded(two(f"{one}, {marks}", f"{other}, {marks}", apart=apart))


@pytest.mark.parametrize(
    ("said", "key", "differ"),
    [
        ("labels: {a: b}", "labels", "differ from those"),
        ("annotations: {a: b}", "annotations", "differ from those"),
        ("if_foreign: replace", "if_foreign", "differs from that"),
        ("merge: true", "merge", "differs from that"),
    ],
)
@pytest.mark.parametrize(("one", "other"), FOUND)
def test_outputs_of_a_login_that_may_find_the_same_secret_want_it_alike(
    one: str, other: str, said: str, key: str, differ: str
) -> None:
    """Each would undo what the other did, and tell of it as a stranger's."""
    assert refusal(two(one, f"{other}, {said}")) == (
        f"{FILE}:5: logins[0].outputs[1].{key}: {differ} of logins[0].outputs[0] in line 4, which"
        " may find the same Secret; expected the same for both"
    )
    assert loaded(two(f"{one}, {said}", f"{other}, {said}"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("namespaces: [ci]", "namespaces: [other], labels: {a: b}"),
        ("namespaces: [ci]", "namespaces: ['team-*'], labels: {a: b}"),
        ("namespaces: [ci]", "namespaces: ['*'], exclude: [ci], labels: {a: b}"),
        ("namespaces: [ci]", "namespace_selector: ci, exclude: ['c*'], labels: {a: b}"),
        ("namespaces: ['ci-*']", "namespaces: [ci, 'team-?', c], labels: {a: b}"),
        ("namespaces: ['*-ci']", "namespaces: ['c*-i'], labels: {a: b}"),
        ("namespaces: ['*']", "namespaces: ['*'], secret: other, labels: {a: b}"),
        ("namespaces: ['*']", "namespaces: ['*'], cluster: {context: other}, labels: {a: b}"),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_outputs_that_find_no_secret_both_may_mark_them_apart(
    one: str, other: str, *, apart: bool
) -> None:
    assert loaded(two(f"{one}, merge: true", f"{other}, merge: true", apart=apart))
    assert loaded(two(one, other, apart=apart))


def test_an_output_is_not_the_secret_that_keeps_state() -> None:
    document = IN_CI + "state: {secret: ci/lightsail-push}\n"

    assert refusal(document) == (
        f"{FILE}:5: logins[0].outputs[0].namespaces[0]: is the Secret that `state` names;"
        " expected another"
    )
    assert loaded(document.replace("ci]\n", "ci]\n    cluster: {context: other}\n"))


def test_state_and_leader_election_are_read() -> None:
    config = loaded(f"{ELECTED}leader_election: {{lease: ops/leader, duration: 2m}}\n").config

    assert config.state is not None
    assert config.state.secret == ObjectName("ops/state")
    assert config.leader_election == LeaderElection(
        lease=ObjectName("ops/leader"),
        duration=Duration(minutes=2),
        renew_deadline=Duration(seconds=20),
        retry=Duration(seconds=5),
    )
    assert (loaded(LINE).config.state, loaded(LINE).config.leader_election) == (None, None)


@pytest.mark.parametrize(("state", "owned"), [("state: {secret: ops/state}\n", None), ("", "/s")])
def test_a_daemon_whose_state_is_in_a_secret_is_meant_by_its_socket_alone(
    state: str, owned: str | None
) -> None:
    """There is no directory that whoever answers would have to own."""
    environ = {"STATE_DIRECTORY": "/s", "RUNTIME_DIRECTORY": "/r"}
    document = f"{LINE}{state}".encode()

    daemon = meant(document=document, filename=FILE, flags={}, environ=environ, host=a_host())

    assert daemon == Meant("/r/control.sock", owned)


A_NAME = "NAMESPACE/NAME such as ci/lightkeeper"
BAD_AT_TOP = [
    ("state: {}", f"state.secret: is missing; expected {A_NAME}, or none"),
    ("state:", "state: is empty; expected a mapping"),
    ("state: ops/state", "state: is a text; expected a mapping"),
    ("state: {secret: OPS/state}", f"state.secret: OPS/state is not {A_NAME}, or none"),
    ("state: {secret: ''}", f"state.secret: is empty; expected {A_NAME}, or none"),
    ("state: {secret: state}", f"state.secret: state is not {A_NAME}, or none"),
    (
        "state: {secret: ops/state}\nstate_dir: /s",
        "state_dir: says where state is kept, and so does state in line 2; expected one of them",
    ),
    (
        "leader_election: {lease: ops/a}",
        (
            "leader_election.lease: needs state: replicas find what another one left in a Secret"
            " alone; expected both or none"
        ),
    ),
    (
        "state: {secret: none}\nleader_election: {lease: ops/a}",
        (
            "leader_election.lease: needs state: replicas find what another one left in a Secret"
            " alone; expected both or none"
        ),
    ),
    (
        "state_dir: /s\nleader_election: {lease: ops/a}",
        (
            "leader_election.lease: needs state: replicas find what another one left in a Secret"
            " alone; expected both or none"
        ),
    ),
]


@pytest.mark.parametrize(("lines", "said"), BAD_AT_TOP)
def test_a_bad_value_of_state_is_said_with_its_line_and_key(lines: str, said: str) -> None:
    at = 1 + len(lines.splitlines())

    assert refusal(f"{LINE}{lines}\n") == f"{FILE}:{at}: {said}"


BAD_ELECTION = [
    ("retry: 1s", f"lease: is missing; expected {A_NAME}"),
    ("lease: ops", f"lease: ops is not {A_NAME}"),
    (
        "lease: a/b, retry: 5",
        (
            "retry: 5 is a number to YAML unless it is in quotes; expected a"
            " duration such as 30s or 2m"
        ),
    ),
    ("lease: a/b, retry: 0s", "retry: 0s is not a duration such as 30s or 2m"),
    ("lease: a/b, retry: 1h", "retry: 1h is not a duration such as 30s or 2m"),
    (
        "lease: a/b, duration: 20s",
        (
            "duration: makes a duration of 20s and a renew_deadline of 20s;"
            " expected the first to be longer than the second"
        ),
    ),
    (
        "lease: a/b, renew_deadline: 1m",
        (
            "renew_deadline: makes a duration of 30s and a renew_deadline of 1m;"
            " expected the first to be longer than the second"
        ),
    ),
    (
        "lease: a/b, renew_deadline: 6s",
        (
            "renew_deadline: makes a renew_deadline of 6s and a retry of 5s;"
            " expected the first to be longer than 1.2 times the second"
        ),
    ),
    (
        "lease: a/b, retry: 17s",
        (
            "retry: makes a renew_deadline of 20s and a retry of 17s;"
            " expected the first to be longer than 1.2 times the second"
        ),
    ),
]


@pytest.mark.parametrize(("said", "told"), BAD_ELECTION)
def test_a_bad_value_of_an_election_is_said_with_its_line_and_key(said: str, told: str) -> None:
    refused = refusal(f"{ELECTED}leader_election: {{{said}}}\n")

    assert refused == f"{FILE}:3: leader_election.{told}"


def test_an_election_at_its_bounds_is_taken() -> None:
    assert loaded(
        f"{ELECTED}leader_election: {{lease: a/b, duration: 8s, renew_deadline: 7s, retry: 5s}}\n"
    )
