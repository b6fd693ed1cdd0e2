"""The clusters that are asked: one client for each API server and identity, whoever asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from random import Random
from typing import TYPE_CHECKING

from lightkeeper.adapters.kubernetes.access import Access, ClusterConfigError, access_to
from lightkeeper.cluster import ClusterConfig
from lightkeeper.ports import Clock

if TYPE_CHECKING:
    from lightkeeper.adapters.kubernetes.client import KubernetesCluster

_EXTRA = "Kubernetes needs an extra that is not installed: pip install 'lightkeeper[kubernetes]'"


def connect(
    where: ClusterConfig,
    environ: Mapping[str, str],
    clock: Clock,
    random: Random,
) -> KubernetesCluster:
    """A client of its own; nothing is sent yet. `ClusterConfigError` says what is wrong."""
    return _connected(access_to(where, environ), clock, random, where.qps)


def _connected(
    access: Access, clock: Clock, random: Random, per_second: float | None
) -> KubernetesCluster:
    try:
        # Imported here, so that only who delivers into a cluster pays for lightkube.
        from lightkeeper.adapters.kubernetes.client import KubernetesCluster  # noqa: PLC0415
    except ImportError as exc:
        if (exc.name or "").partition(".")[0] == "lightkeeper":
            raise
        raise ClusterConfigError(_EXTRA) from exc
    return KubernetesCluster(access, clock, random, per_second=per_second)


class Clusters:
    """Those that are asked at present."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, random: Random) -> None:
        self._environ = environ
        self._clock = clock
        self._random = random
        self._known: list[KubernetesCluster] = []

    def reach(self, where: ClusterConfig) -> KubernetesCluster:
        """The client for a cluster: the one that is known, if its configuration is the same still.

        `ClusterConfigError` says what is wrong with it.
        """
        access = access_to(where, self._environ)
        for cluster in self._known:
            if cluster.access == access:
                return cluster
        cluster = _connected(access, self._clock, self._random, where.qps)
        self._known.append(cluster)
        return cluster

    def keep(self, used: Collection[KubernetesCluster]) -> list[KubernetesCluster]:
        """Know none of the others any more; whoever was given one closes it."""
        unused = [one for one in self._known if one not in used]
        self._known = [one for one in self._known if one in used]
        return unused

    async def close(self) -> None:
        """Let go of every connection."""
        for cluster in self.keep(()):
            await cluster.close()
