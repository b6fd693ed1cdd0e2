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
