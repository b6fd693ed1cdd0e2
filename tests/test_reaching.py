"""Which clusters a process asks, by which clients; nothing is sent."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.config.model import Config, KubernetesSecret
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.owning import Ranks
from lightkeeper.reaching import Reach
from tests.config.loading import loaded

KUBECONFIG = """\
current-context: one
contexts: [{name: one, context: {cluster: one, user: one}}]
clusters: [{name: one, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: one, user: {token: fake-token-of-a-test}}]
"""


@pytest.fixture
def reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reach:
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(path))
    return Reach(SystemClock(), Random(1), Ranks())  # noqa: S311 - a seed, no secret


def configured(folder: Path) -> Config:
    return loaded(
        f"state_dir: {folder}/state\nlogins:\n  - name: prod\n    region: eu-central-1\n"
        "    outputs: [{type: kubernetes_secret, namespace_selector: ci=true}]\n"
    ).config


async def test_lease_and_state_have_a_client_of_their_own(reach: Reach, tmp_path: Path) -> None:
    """Deliveries that hold one another up cost no leader its Lease."""
    (output,) = configured(tmp_path).logins[0].outputs
    assert isinstance(output, KubernetesSecret)

    deliveries, own = reach.cluster(output), reach.own("leader_election")

    assert own is not deliveries
    assert reach.own("state") is own
    await reach.close()


async def test_an_output_is_told_what_it_left_in_its_cluster(reach: Reach, tmp_path: Path) -> None:
    config = serving(tmp_path, "here, prune: true", "there, cluster: {context: one}")
    left = [place("here"), place("here", "team/another"), place("there", "cd/push")]
    others = [place("here", "x/push")]
    for output in config.logins[0].outputs:
        reach.output(config.logins[0], output, {})  # type: ignore[arg-type] # of Secrets, all
    reach.serve(config, {}, {LoginName("prod"): left, LoginName("test"): others})

    assert reach.targets is not None
    (target,) = reach.targets._targets.values()  # noqa: SLF001 - nothing is pruned without a server
    assert [one.left for one in target.outputs] == [{"ci"}, {"cd"}]
    await reach.close()


async def test_what_no_cluster_tells_of_is_taken_for_there(reach: Reach, tmp_path: Path) -> None:
    """Nobody answers for the one; the others are of no output that could be asked."""
    config = serving(tmp_path, "here")
    left = [place("here"), place("gone"), place("here", "team/another")]

    assert await reach.holding(config, LoginName("prod"), left) == left

    await reach.close()


async def test_namespaces_that_were_served_before_are_until_they_are_listed(
    reach: Reach, tmp_path: Path
) -> None:
    """A restart while the API server lists none renews what is in them all the same."""
    config = configured(tmp_path)
    (login,) = config.logins
    (output,) = login.outputs
    assert isinstance(output, KubernetesSecret)
    places = (
        Place(output=OutputName(output.name), name=f"ci/{output.secret}"),
        Place(output=OutputName("another"), name=f"elsewhere/{output.secret}"),
    )
    served = {LoginName("prod"): places, LoginName("test"): places[1:]}

    made = reach.output(login, output, served)
    reach.serve(config, served)

    assert list(made.places()) == [places[0]]
    await reach.close()


def serving(folder: Path, *outputs: str) -> Config:
    """A login with these outputs of Secrets called `push`, each with its name and more."""
    lines = "".join(
        f"      - {{type: kubernetes_secret, namespaces: ['c*'], secret: push, name: {output}}}\n"
        for output in outputs
    )
    return loaded(
        f"state_dir: {folder}/state\nlogins:\n  - name: prod\n    region: eu-central-1\n"
        f"    outputs:\n{lines}"
    ).config


def place(output: str, name: str = "ci/push") -> Place:
    return Place(output=OutputName(output), name=name)


def test_a_secret_is_apart_unless_the_same_cluster_is_served_there(
    reach: Reach, tmp_path: Path
) -> None:
    config = serving(
        tmp_path,
        "here",
        "again, cluster: {qps: 5}",
        "there, cluster: {kubeconfig: /elsewhere}",
        "other, cluster: {context: other}",
    )

    def apart(left: Place, *served: str) -> bool:
        found = reach.apart(config, LoginName("prod"), [left], map(place, served))
        return found == [left]

    assert not apart(place("here"), "there", "again")
    assert apart(place("here"), "there", "other")
    assert apart(place("here", "team/push"), "again")
    assert apart(place("configured no more"), "here", "again", "there", "other")
    assert apart(place("docker_config:/a", "/a"), "here")
    assert apart(place("/a", "/a"), "/a"), "files are told apart by who reads them"


def test_what_an_output_that_prunes_has_left_goes_by_itself(reach: Reach, tmp_path: Path) -> None:
    config = serving(tmp_path, "here, prune: true", "there, cluster: {kubeconfig: /elsewhere}")

    def prunes(place: Place, login: str = "prod") -> bool:
        return reach.prunes(config, LoginName(login), place)

    assert prunes(place("here", "team/push"))
    assert not prunes(place("here", "team/another"))
    assert not prunes(place("there"))
    assert not prunes(place("configured no more"))
    assert not prunes(place("here"), "another")
