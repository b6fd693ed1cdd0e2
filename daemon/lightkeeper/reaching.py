"""The clusters that are asked: of state, of a Lease, of Secrets; reached when somebody asks first.

Who delivers into files only imports nothing of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec.structs import replace

from lightkeeper.config.model import Config, KubernetesSecret, Login
from lightkeeper.config.problem import ConfigErrors, Problem
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.owning import Ranks
from lightkeeper.ports import Clock, Failed, Output

if TYPE_CHECKING:
    from lightkeeper.adapters.kubernetes.client import KubernetesCluster
    from lightkeeper.adapters.kubernetes.state_secret import StateSecret
    from lightkeeper.adapters.kubernetes.targets import ServedSecret, Targets
    from lightkeeper.cluster import Cluster, ClusterConfig
    from lightkeeper.core.namespaces import Unlisted


Served: TypeAlias = Mapping[LoginName, Collection[Place]]
"""Where each login delivers to, or did."""
_NOTHING: Final[Served] = MappingProxyType({})
_ASKED: Final = 100
"""So many Secrets that are left are looked at before they are told of, and no more."""


class Reach:
    """The clusters of a process. `ConfigErrors` for one that cannot be asked as configured."""

    def __init__(self, clock: Clock, random: Random, ranks: Ranks) -> None:
        self.targets: Targets | None = None
        """Those that are delivered into; None if none is."""
        self._clock = clock
        self._random = random
        self._ranks = ranks
        self._own: KubernetesCluster | None = None

    def state(self, namespace: str, name: str) -> StateSecret:
        """The state in a Secret of the cluster that we run in."""
        from lightkeeper.adapters.kubernetes.state_secret import StateSecret  # noqa: PLC0415

        return StateSecret(self.own("state"), namespace, name)

    def own(self, key: str) -> Cluster:
        """The cluster that we run in, by a client for Lease and state alone.

        What holds up deliveries must cost no leader its Lease, and no renewal its save.
        """
        from lightkeeper.adapters.kubernetes.clusters import connect  # noqa: PLC0415
        from lightkeeper.adapters.kubernetes.kubeconfig import ClusterConfigError  # noqa: PLC0415
        from lightkeeper.cluster import ClusterConfig  # noqa: PLC0415

        try:
            if self._own is None:
                self._own = connect(ClusterConfig(), os.environ, self._clock, self._random)
        except ClusterConfigError as exc:
            raise ConfigErrors([Problem("", 0, key, str(exc))]) from exc
        return self._own

    def cluster_of(self, config: Config, login: LoginName, place: Place) -> Cluster:
        """The cluster of a Secret of ours: by the output that served it.

        Of an output that is configured no more it is that of another one with this name of Secret,
        else of any, else the one we run in.
        """

        def strangeness(one: tuple[Login, KubernetesSecret]) -> tuple[bool, bool]:
            by, output = one
            is_other = (by.name, output.name) != (login, place.output)
            return is_other, output.secret != place.secret

        if (nearest := min(_secrets(config), key=strangeness, default=None)) is None:
            return self.own("outputs")
        return self.cluster(nearest[1])

    def cluster(self, output: KubernetesSecret) -> Cluster:
        """The cluster that an output delivers into, which can be asked."""
        return self._reached().cluster(_where(output))

    @property
    def unlisted(self) -> Unlisted | None:
        """Why it is not known which namespaces there are."""
        return self.targets.why_unlisted if self.targets else None

    @property
    def unchosen(self) -> Collection[tuple[LoginName, OutputName]]:
        """The outputs that choose none of the namespaces that there are."""
        return self.targets.choosing_none if self.targets else ()

    def insecure(self) -> list[str]:
        """What is to be said aloud of clusters that are asked without looking whom."""
        servers = set(self.targets.insecure if self.targets else ())
        if self._own is not None and self._own.access.is_insecure:
            servers.add(self._own.access.server)
        return [
            f"the certificate of {server} is not looked at (insecure-skip-tls-verify): whoever is"
            " on the way reads the credentials"
            for server in sorted(servers)
        ]

    def output(self, login: Login, output: KubernetesSecret, served: Served) -> Output:
        """The output; `served` is where each login delivered to before."""
        from lightkeeper.adapters.kubernetes.kubeconfig import ClusterConfigError  # noqa: PLC0415

        try:
            return self._reached().output(_secret(login, output, served))
        except ClusterConfigError as exc:
            key = f"outputs of {login.name}: {output.name}: cluster"
            raise ConfigErrors([Problem("", 0, key, str(exc))]) from exc

    def serve(self, config: Config, served: Served, left: Served = _NOTHING) -> None:
        """Watch for the namespaces that this configuration asks for, and for no others.

        `left` is where each login delivers to no more: it is pruned by the output that did.
        """
        if self.targets is None:
            return
        from lightkeeper.adapters.kubernetes.kubeconfig import ClusterConfigError  # noqa: PLC0415

        try:
            self.targets.serve(_secret(*each, served, left) for each in _secrets(config))
        except ClusterConfigError as exc:
            raise ConfigErrors([Problem("", 0, "outputs", str(exc))]) from exc

    def rest(self) -> None:
        """Serve nothing, and watch for nothing."""
        if self.targets is not None:
            self.targets.serve(())

    def apart(
        self, config: Config, login: LoginName, left: Iterable[Place], served: Iterable[Place]
    ) -> list[Place]:
        """Those places that are no Secret which another output of the login serves.

        It does if it is for the same cluster, by what the configuration says of both.
        """
        clusters = {
            output.name: replace(_where(output), qps=None)
            for one, output in _secrets(config)
            if one.name == login
        }
        here = {(clusters.get(place.output), place.name) for place in served}
        return [
            place
            for place in left
            if place.output not in clusters or (clusters[place.output], place.name) not in here
        ]

    async def holding(self, config: Config, login: LoginName, left: Iterable[Place]) -> list[Place]:
        """Those places where an entry may be: not those whose Secret is gone, as with a namespace.

        Of many, or once a cluster cannot tell, it is taken for there.
        """
        outputs = {output.name: output for one, output in _secrets(config) if one.name == login}
        found: list[Place] = []
        asks = _ASKED
        for place in left:
            output = outputs.get(place.output)
            if asks and output is not None and output.secret == place.secret:
                seen = await self.cluster(output).read_secret(place.namespace, place.secret)
                if seen is None:
                    continue
                asks = 0 if isinstance(seen, Failed) else asks - 1
            found.append(place)
        return found

    def prunes(self, config: Config, login: LoginName, place: Place) -> bool:
        """Whether what is left of a login in this place is taken out in time by itself."""
        return not place.is_file and any(
            (one.name, output.name) == (login, place.output)
            and output.prune
            and output.secret == place.secret
            for one, output in _secrets(config)
        )

    def beat(self) -> None:
        """Do again what could not be done when it was due."""
        if self.targets is not None:
            self.targets.beat()

    async def drain(self) -> None:
        """Begin no write beside deliveries any more, and wait for what is under way."""
        if self.targets is not None:
            await self.targets.drain()

    async def close(self) -> None:
        """Let go of every connection."""
        if self._own is not None:
            await self._own.close()
        if self.targets is not None:
            await self.targets.close()

    def _reached(self) -> Targets:
        from lightkeeper.adapters.kubernetes.clusters import Clusters  # noqa: PLC0415
        from lightkeeper.adapters.kubernetes.targets import Targets  # noqa: PLC0415

        if self.targets is None:
            clusters = Clusters(os.environ, self._clock, self._random)
            self.targets = Targets(clusters, self._ranks)
        return self.targets


def _secrets(config: Config) -> Iterator[tuple[Login, KubernetesSecret]]:
    """Every output of Secrets, with its login."""
    for login in config.logins:
        for output in login.outputs:
            if isinstance(output, KubernetesSecret):
                yield login, output


def _where(output: KubernetesSecret) -> ClusterConfig:
    from lightkeeper.cluster import ClusterConfig  # noqa: PLC0415

    kubeconfig = output.cluster.kubeconfig
    return ClusterConfig(
        kubeconfig=str(kubeconfig) if kubeconfig else None,
        context=output.cluster.context,
        qps=output.cluster.qps,
    )


def _secret(
    login: Login, output: KubernetesSecret, served: Served, left: Served = _NOTHING
) -> ServedSecret:
    from lightkeeper.adapters.kubernetes.manifest import SecretOptions  # noqa: PLC0415
    from lightkeeper.adapters.kubernetes.targets import ServedSecret  # noqa: PLC0415
    from lightkeeper.core.namespaces import Choice  # noqa: PLC0415

    name = OutputName(output.name)
    places = served.get(LoginName(login.name), ())
    stays = left.get(LoginName(login.name), ())
    return ServedSecret(
        login=LoginName(login.name),
        name=name,
        where=_where(output),
        choice=Choice.of(output.namespaces, output.namespace_selector, output.exclude),
        options=SecretOptions(
            name=output.secret,
            is_shared=output.merge,
            labels=output.labels,
            annotations=output.annotations,
        ),
        replaces_foreign=output.if_foreign == "replace",
        is_pruned=output.prune,
        known=frozenset(place.namespace for place in places if place.output == name),
        left=frozenset(
            place.namespace
            for place in stays
            if (place.output, place.secret) == (name, output.secret)
        ),
    )
