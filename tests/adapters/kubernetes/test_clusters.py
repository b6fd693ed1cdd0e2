"""One client for each API server and identity; and what is imported for it, and when."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import yaml

from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.kubernetes.clusters import Clusters, connect
from lightkeeper.adapters.kubernetes.kubeconfig import ClusterConfigError
from lightkeeper.cluster import Cluster, ClusterConfig, SecretSeen
from tests.adapters.kubernetes.api import SECRET, TOKEN, Reply, saying, serving
from tests.adapters.kubernetes.test_access import document

CHANCE = Random(1)  # noqa: S311 - draws waits
LIGHTKUBE = ("httpcore2", "httpx2", "lightkube")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    write(path, TOKEN)
    return path


def write(path: Path, token: str, url: str = "https://one.example") -> None:
    one, other = document({"token": token}, {"server": url}), document(name="other")
    for kind in ("contexts", "clusters", "users"):
        one[kind] += other[kind]
    path.write_text(yaml.safe_dump(one))


async def test_who_asks_for_the_same_gets_the_same(file: Path) -> None:
    clusters = Clusters({"KUBECONFIG": str(file)}, SystemClock(), CHANCE)
    named = ClusterConfig(kubeconfig=str(file))

    one: Cluster = clusters.reach(ClusterConfig())
    assert clusters.reach(named) is one
    assert clusters.reach(ClusterConfig(context="one")) is one
    assert clusters.reach(ClusterConfig(context="other")) is not one
    await clusters.close()


async def test_a_kubeconfig_that_changed_is_another_client(file: Path) -> None:
    clusters = Clusters({}, SystemClock(), CHANCE)
    where = ClusterConfig(kubeconfig=str(file))
    before = clusters.reach(where)
    write(file, "fake-token-that-is-newer")
    after = clusters.reach(where)

    assert after is not before
    assert clusters.keep([after]) == [before]
    await before.close()
    assert clusters.reach(where) is after
    await clusters.close()


async def test_a_client_of_one_s_own(file: Path) -> None:
    async with serving(saying(Reply(body=SECRET))) as api:
        write(file, TOKEN, api.url)
        where = ClusterConfig(kubeconfig=str(file))
        cluster = connect(where, {}, SystemClock(), CHANCE)
        assert isinstance(await cluster.read_secret("ci", "login"), SecretSeen)
        await cluster.close()


def test_a_mistake_is_said_at_once(tmp_path: Path) -> None:
    clusters = Clusters({"HOME": str(tmp_path)}, SystemClock(), CHANCE)
    with pytest.raises(ClusterConfigError, match="no such kubeconfig"):
        clusters.reach(ClusterConfig())


def imported(script: str) -> set[str]:
    """The modules that there are at the end of a script."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{script}\nprint(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("module", ["", ".clusters", ".access", ".kubeconfig"])
def test_lightkube_is_not_imported_before_a_cluster_is_asked_for(module: str) -> None:
    assert imported(f"import lightkeeper.adapters.kubernetes{module}").isdisjoint(LIGHTKUBE)


def test_lightkube_is_imported_for_who_asks_for_a_cluster() -> None:
    assert imported("import lightkeeper.adapters.kubernetes.client") >= {"lightkube", "httpx2"}


def test_who_lacks_the_extra_is_told_how_to_get_it(file: Path) -> None:
    """Its absence is played by an entry that says that there is no such module."""
    script = f"""
from random import Random
from lightkeeper.adapters.clock import SystemClock
from lightkeeper.adapters.kubernetes.clusters import connect
from lightkeeper.adapters.kubernetes.kubeconfig import ClusterConfigError
from lightkeeper.cluster import ClusterConfig
sys.modules["httpx2"] = sys.modules["lightkube"] = None
try:
    connect(ClusterConfig(kubeconfig={str(file)!r}), {{}}, SystemClock(), Random(1))
except ClusterConfigError as exc:
    assert "pip install 'lightkeeper[kubernetes]'" in str(exc), exc
else:
    raise SystemExit("it was there")
"""
    imported(script)
