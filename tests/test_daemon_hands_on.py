"""What a running daemon hands on: heartbeats to its fleet, the order of its logins, turns."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from copy import deepcopy
from pathlib import Path

import pytest
from msgspec import structs

from lightkeeper.adapters.docker_file import FileOptions
from lightkeeper.config.load import Loaded
from lightkeeper.core.facts import LoginName
from lightkeeper.core.reasons import Reason
from lightkeeper.core.saved import Saved
from lightkeeper.edge import Edge
from lightkeeper.electing import Electing
from lightkeeper.ports import Alarm, Failed, Put, Recorder, World
from tests.config.loading import loaded
from tests.core.making import FIRST, SECOND_ONE
from tests.environment import say_nothing_of_aws
from tests.filing import a_delivery
from tests.serve.asking import ask
from tests.test_daemon import configured, running


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    say_nothing_of_aws(monkeypatch, tmp_path)


class Sticky:
    """A store that forgets no login before it is mended."""

    def __init__(self) -> None:
        self.is_mended = False
        self.has_forgotten = asyncio.Event()

    async def save(self, saved: Saved) -> Failed | None:
        return None

    async def forget(self, login: LoginName) -> Failed | None:
        if not self.is_mended:
            return Failed(reason=Reason.IO_ERROR, detail="/s")
        self.has_forgotten.set()
        return None


async def test_what_could_not_be_forgotten_is_tried_again_at_a_heartbeat(tmp_path: Path) -> None:
    store = Sticky()

    class Stuck(Edge):
        def world(
            self, alarm: Alarm, recorder: Recorder, electing: Electing | None = None
        ) -> World:
            return structs.replace(super().world(alarm, recorder, electing), store=store)

    async with running(configured(tmp_path, names=("prod", "other")), Stuck) as here:
        await here.said.until("daemon_ready")
        await here.reload(lambda: configured(tmp_path, names=("other",)), "config_reloaded")
        await here.said.until("state_not_saved")
        store.is_mended = True
        here.daemon.beat()
        async with asyncio.timeout(5):
            await store.has_forgotten.wait()


async def test_after_a_reload_the_login_that_comes_first_now_keeps_a_registry_that_two_have(
    tmp_path: Path,
) -> None:
    one, other = LoginName("one"), LoginName("other")
    first = configured(tmp_path, names=(one, other))
    logins = first.config.logins[::-1]
    turned = structs.replace(first, config=structs.replace(first.config, logins=logins))
    edge, path = Edge(first.config), f"{tmp_path}/config.json"

    async with running(first, lambda _: edge) as here:
        await here.said.until("daemon_ready")
        edge.writers.deliver(path, a_delivery(FIRST, login=one), FileOptions())
        await here.reload(lambda: turned, "config_reloaded")
        outcome = edge.writers.deliver(path, a_delivery(SECOND_ONE, login=other), FileOptions())

    assert isinstance(outcome, Put)


async def test_threads_that_compute_make_way_for_the_loop_sooner_than_python_has_them(
    tmp_path: Path,
) -> None:
    """Those of ours make reports and metrics of many logins."""
    of_python = 0.005
    sys.setswitchinterval(of_python)

    async with running(configured(tmp_path)) as here:
        await here.said.until("daemon_ready")
        assert sys.getswitchinterval() < of_python


async def test_a_cluster_that_cannot_be_asked_when_logins_begin_is_told_and_tried_again(
    tmp_path: Path,
) -> None:
    """As at a takeover long after the start, when the kubeconfig is another by then."""
    kubeconfig = tmp_path / "kubeconfig"
    async with running(unreachable(tmp_path, kubeconfig)) as here:
        told = await here.said.until("cluster_not_reached")
        await here.said.until("daemon_ready")
        ready = await ask(int(here.daemon.address.rpartition(":")[2]), "/readyz")
        assert here.said.of("renewal_failed") == []

        kubeconfig.write_text(json.dumps(KUBECONFIG))
        await here.said.until("renewal_failed")

    assert str(kubeconfig) in told["detail"]
    assert ready.status == 503
    (failing,) = json.loads(ready.text)["failing"]
    assert failing["sentence"].startswith(
        f"a cluster cannot be asked as it is configured: {told['detail']}"
    )
    assert here.said.of("daemon_surprised") == []


def unreachable(folder: Path, kubeconfig: Path) -> Loaded:
    """A login for a cluster whose kubeconfig is missing."""
    where = f"cluster: {{kubeconfig: {kubeconfig}}}"
    return loaded(
        f"web: {{listen: '127.0.0.1:0'}}\nstate_dir: {folder}/state\n"
        f"socket: {folder}/control.sock\nlog: {{format: json}}\n"
        "logins:\n  - name: prod\n    region: eu-central-1\n"
        f"    outputs: [{{type: kubernetes_secret, namespaces: [ci], {where}}}]\n"
    )


@pytest.mark.parametrize("is_open", [True, False])
async def test_a_reload_tells_of_an_api_server_whose_certificate_is_not_looked_at(
    tmp_path: Path, *, is_open: bool
) -> None:
    """Also where no login is kept, as at a standby: what it takes over is told of once."""
    insecure, kubeconfig = deepcopy(KUBECONFIG), tmp_path / "insecure"
    insecure["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True  # type: ignore[index]
    kubeconfig.write_text(json.dumps(insecure))
    begun = configured(tmp_path) if is_open else unreachable(tmp_path, tmp_path / "kubeconfig")

    async with running(begun) as here:
        await here.said.until("daemon_ready" if is_open else "cluster_not_reached")
        before = here.said.of("config_warning")
        await here.reload(lambda: unreachable(tmp_path, kubeconfig), "config_reloaded")
        told = here.said.of("config_warning")
        await here.reload(lambda: configured(tmp_path), "config_reloaded", 2)
        after = here.said.of("config_warning")

    assert before == []
    (warning,) = told
    said = "the certificate of https://127.0.0.1:9 is not looked at"
    assert str(warning["problem"]).startswith(said)
    assert after == told, "it is not reached any more"


async def test_a_signal_for_renewals_where_no_login_is_kept_is_answered_in_the_log(
    tmp_path: Path,
) -> None:
    async with running(unreachable(tmp_path, tmp_path / "kubeconfig")) as here:
        await here.said.until("cluster_not_reached")
        signal.raise_signal(signal.SIGUSR1)
        line = await here.said.until("renewal_not_begun")
        reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/control.sock")
        writer.write(b'{"ask":"renew"}\n')
        told = json.loads(await reader.readline())
        writer.close()

    assert line["why"] == told["error"]
    assert "no login is kept here yet: a cluster cannot be asked" in line["why"]


KUBECONFIG = {
    "clusters": [{"name": "it", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "it", "user": {"token": "fake"}}],
    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    "current-context": "it",
}


async def test_a_reload_tells_each_setting_that_waits_for_a_restart(tmp_path: Path) -> None:
    """Whoever adds an election would else take two daemons for a pair."""

    def other(text: str, more: str = "") -> Loaded:
        return loaded(
            "web: {listen: none}\nlog: {format: json}\n"
            f"socket: {tmp_path}/{text[:2]}.sock\nstate: {{secret: {text}}}\n{more}"
            "logins:\n  - name: prod\n    region: eu-central-1\n"
            f"    outputs: [{{type: docker_config, path: {tmp_path}/config.json}}]\n"
        )

    async with running(other("none")) as here:
        await here.said.until("daemon_ready")
        await here.reload(lambda: other("none"), "config_reloaded")
        before = here.said.of("restart_needed")
        elects = "leader_election: {lease: ci/leader}\n"
        for count in (2, 3):  # it is so for as long as the process lives
            await here.reload(lambda: other("ci/state", elects), "config_reloaded", count)

    assert before == []
    keys = [line["key"] for line in here.said.of("restart_needed")]
    assert keys == ["socket", "state", "leader_election"] * 2
