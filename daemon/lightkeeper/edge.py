"""The adapters that all logins share, and those of each: the one place that constructs them."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from random import SystemRandom
from typing import TYPE_CHECKING, assert_never

from msgspec.structs import replace

from lightkeeper.adapters.clock import SystemClock, boot_id
from lightkeeper.adapters.docker_file import DockerFile, FileOptions, FileWriters
from lightkeeper.adapters.nowhere import Nowhere
from lightkeeper.adapters.posix import Posix
from lightkeeper.adapters.state_dir import StateDir
from lightkeeper.adapters.workers import Threads
from lightkeeper.config.model import (
    Config,
    ContainersAuth,
    DockerConfig,
    FileOutput,
    KubernetesSecret,
    Login,
    State,
    source_fingerprint,
)
from lightkeeper.core.facts import LoginName, OutputName
from lightkeeper.core.namespaces import Unlisted
from lightkeeper.core.part import ALONE, Part
from lightkeeper.core.policy import Policy
from lightkeeper.core.report import Report, report
from lightkeeper.core.saved import Saved
from lightkeeper.core.state import LoginState
from lightkeeper.files import Files
from lightkeeper.owning import Ranks
from lightkeeper.paths import Paths
from lightkeeper.ports import Alarm, Clock, Failed, Output, Recorder, World
from lightkeeper.reaching import Reach, Served

if TYPE_CHECKING:
    from lightkeeper.adapters.kubernetes.state_secret import StateSecret
    from lightkeeper.adapters.lightsail import LightsailIssuer
    from lightkeeper.attempt import Source
    from lightkeeper.core.election import ElectionFact
    from lightkeeper.electing import Electing
    from lightkeeper.fleet import Kept


class Edge:
    """The adapters that all logins share; made once for a process."""

    def __init__(self, config: Config) -> None:
        self._ranks = Ranks()
        fs, uid, random = Posix(), os.geteuid(), SystemRandom()
        paths = Paths(fs, uid=uid)
        files = Files(fs, uid=uid, random=random)
        self.clock = SystemClock()
        self.random = random
        self.clusters = Reach(self.clock, random, self._ranks)
        self.workers = Threads()
        self.writers = FileWriters(files, paths, self._ranks)
        self.rank(config)
        self.store = StateDir(
            str(config.state_dir), fs=fs, files=files, paths=paths, workers=self.workers
        )
        self._shared = self._state_in(config.state)

    def _state_in(self, state: State | None) -> StateSecret | Nowhere | None:
        """Where state is kept; None if in a directory."""
        if state is None:
            return None
        if (secret := state.secret) is None:
            return Nowhere()
        return self.clusters.state(secret.namespace, secret.name)

    async def close(self) -> None:
        """Let go of every connection to a cluster."""
        await self.clusters.close()

    def reach_all(self, config: Config) -> None:
        """Read what it takes to ask each cluster; `ConfigErrors` for what cannot be asked."""
        for login in config.logins:
            self.outputs(login, {})

    def electing(
        self,
        config: Config,
        told: Callable[[ElectionFact], object],
        surprised: Callable[[str], object],
    ) -> Electing | None:
        """Who leads among replicas; None where there is no election."""
        if config.leader_election is None:
            return None
        from lightkeeper.core.election import Settings  # noqa: PLC0415
        from lightkeeper.electing import Candidacy, Electing, unique_identity  # noqa: PLC0415

        said = config.leader_election
        candidacy = Candidacy(
            namespace=said.lease.namespace,
            name=said.lease.name,
            identity=unique_identity(socket.gethostname(), self.random),
            settings=Settings(
                duration=said.duration, renew_deadline=said.renew_deadline, retry=said.retry
            ),
        )
        return Electing(
            self.clusters.own("leader_election"),
            candidacy,
            clock=self.clock,
            random=self.random,
            told=told,
            surprised=surprised,
        )

    def loader(
        self, saved: Mapping[LoginName, Saved], unreadable: Callable[[LoginName, str], None]
    ) -> Callable[[], Awaitable[Mapping[LoginName, Saved] | Failed]]:
        """What reads the state that is kept: `saved`, where a directory was read already."""

        async def load() -> Mapping[LoginName, Saved] | Failed:
            if self._shared is None:
                return saved
            found = await self._shared.load()
            if isinstance(found, Failed):
                return found
            for login, detail in found[1].items():
                unreadable(login, detail)
            return found[0]

        return load

    async def forget(self, login: LoginName) -> Failed | None:
        """Keep nothing of a login whose state is in a cluster."""
        return await self._shared.remove(login) if self._shared else None

    def world(self, alarm: Alarm, recorder: Recorder, electing: Electing | None = None) -> World:
        """What all keepers share; with an election they act only while we lead."""
        return World(
            clock=self.clock,
            alarm=alarm,
            store=self._shared or self.store,
            recorder=recorder,
            random=self.random,
            boot_id=boot_id(),
            leads=lambda: electing is None or electing.is_leading,
        )

    def follow(self, before: Config, config: Config) -> None:
        """Keep files in the order of this configuration, and let go of the rest."""
        self.rank(config)
        # A login of another source has another registry, and nothing to keep from others here.
        sources = {source_fingerprint(one) for one in before.logins}
        self.writers.forget_all_but(
            {
                (LoginName(one.name), str(each.path))
                for one in config.logins
                for each in one.outputs
                if isinstance(each, FileOutput) and source_fingerprint(one) in sources
            }
        )

    def rank(self, config: Config) -> None:
        """Let logins that share a place come in the order of this configuration."""
        self._ranks.order(LoginName(login.name) for login in config.logins)

    def kept(self, config: Config, sources: Sources, served: Served) -> list[Kept]:
        """Each configured login with its edge; `served` is where each delivered to before.

        `ConfigErrors` for a cluster that cannot be asked as it is configured.
        """
        from lightkeeper.fleet import Kept  # noqa: PLC0415 - `stored` does without a loop

        return [
            Kept(
                name=LoginName(login.name),
                fingerprint=source_fingerprint(login),
                policy=policy_of(login, config),
                source=sources.of(login),
                outputs=self.outputs(login, served),
            )
            for login in config.logins
        ]

    def outputs(self, login: Login, served: Served) -> list[Output]:
        """The outputs of a login, in order of configuration."""
        return [self._output(login, output, served) for output in login.outputs]

    def files(self, login: Login) -> list[DockerFile]:
        """The outputs of a login that are files, in order of configuration."""
        return [self._file(login, one) for one in login.outputs if isinstance(one, FileOutput)]

    def _output(
        self, login: Login, output: DockerConfig | ContainersAuth | KubernetesSecret, served: Served
    ) -> Output:
        match output:
            case DockerConfig() | ContainersAuth():
                return self._file(login, output)
            case KubernetesSecret():
                return self.clusters.output(login, output, served)
            case _:
                assert_never(output)

    def _file(self, login: Login, output: FileOutput) -> DockerFile:
        return DockerFile(
            LoginName(login.name),
            OutputName(output.name),
            str(output.path),
            replaces_foreign=output.if_foreign == "replace",
            options=file_options(output),
            writers=self.writers,
            workers=self.workers,
        )


class Sources:
    """Where credentials come from: AWS's library, and registries; made once for a process."""

    def __init__(self, clock: Clock) -> None:
        # What only looks at state and configuration does without AWS's library and aiohttp.
        from lightkeeper.adapters.lightsail import Callers, SharedAws  # noqa: PLC0415
        from lightkeeper.adapters.registry import RegistryVerifier  # noqa: PLC0415

        self._clock = clock
        self._callers = Callers(SharedAws())
        self._verifier = RegistryVerifier()

    def of(self, login: Login) -> Source:
        """Who is asked for the login, and who says what its credentials are worth."""
        from lightkeeper.attempt import Source  # noqa: PLC0415 - as above

        return Source(
            issuer=self.issuer(login),
            endpoint=login.endpoint_url,
            verifier=self._verifier,
            clock=self._clock,
        )

    def issuer(self, login: Login) -> LightsailIssuer:
        """Who asks Lightsail for the login."""
        from lightkeeper.adapters.lightsail import AwsSource, LightsailIssuer  # noqa: PLC0415

        source = AwsSource(
            region=login.region,
            profile=login.profile,
            role_arn=login.role_arn,
            external_id=login.external_id,
            session_name=login.session_name,
            endpoint_url=login.endpoint_url,
        )
        return LightsailIssuer(source, self._callers, self._clock)


def file_options(output: FileOutput) -> FileOptions:
    """How the operator wants the file of an output written."""
    seed = str(output.seed) if output.seed else None
    return FileOptions(mode=output.file_mode, in_place=output.in_place, seed=seed)


def policy_of(login: Login, config: Config) -> Policy:
    """What the operator chose for the login."""
    at, spread = config.renewal.at, config.renewal.spread
    return Policy(renew_at=at, spread=spread, verify=login.verify)


def view_of(
    config: Config,
    states: list[LoginState],
    clock: Clock,
    part: Part = ALONE,
    unlisted: Unlisted | None = None,
    unchosen: Collection[tuple[LoginName, OutputName]] = (),
) -> Report:
    """The report on these logins."""
    regions = {login.name: login.region for login in config.logins}
    logins = [(state, regions.get(state.login, "")) for state in states]
    told = report(logins, clock.now(), unchosen)
    return replace(told, part=part, unlisted=unlisted)
