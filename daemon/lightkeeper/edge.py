"""The adapters that all logins share, and those of each: the one place that constructs them."""

from __future__ import annotations

import os
from random import SystemRandom
from typing import TYPE_CHECKING, assert_never

from lightkeeper.adapters.clock import SystemClock, boot_id
from lightkeeper.adapters.docker_file import DockerFile, FileOptions, FileWriters
from lightkeeper.adapters.posix import Posix
from lightkeeper.adapters.state_dir import StateDir
from lightkeeper.adapters.workers import Threads
from lightkeeper.config.model import (
    Config,
    ContainersAuth,
    DockerConfig,
    FileOutput,
    Login,
    source_fingerprint,
)
from lightkeeper.core.facts import LoginName, OutputName
from lightkeeper.core.policy import Policy
from lightkeeper.core.report import Report, report
from lightkeeper.core.state import LoginState
from lightkeeper.files import Files
from lightkeeper.paths import Paths
from lightkeeper.ports import Alarm, Clock, Recorder, World

if TYPE_CHECKING:
    from lightkeeper.adapters.lightsail import LightsailIssuer
    from lightkeeper.attempt import Source
    from lightkeeper.fleet import Kept


class Edge:
    """The adapters that all logins share; made once for a process."""

    def __init__(self, config: Config) -> None:
        fs, uid, random = Posix(), os.geteuid(), SystemRandom()
        paths = Paths(fs, uid=uid)
        files = Files(fs, uid=uid, random=random)
        self.clock = SystemClock()
        self.random = random
        self.workers = Threads()
        self.writers = FileWriters(files, paths)
        self.writers.rank(LoginName(login.name) for login in config.logins)
        self.store = StateDir(
            str(config.state_dir), fs=fs, files=files, paths=paths, workers=self.workers
        )

    def world(self, alarm: Alarm, recorder: Recorder) -> World:
        """What all keepers share."""
        return World(
            clock=self.clock,
            alarm=alarm,
            store=self.store,
            recorder=recorder,
            random=self.random,
            boot_id=boot_id(),
        )

    def kept(self, config: Config, sources: Sources) -> list[Kept]:
        """Each configured login with its edge."""
        from lightkeeper.fleet import Kept  # noqa: PLC0415 - `stored` does without a loop

        return [
            Kept(
                name=LoginName(login.name),
                fingerprint=source_fingerprint(login),
                policy=policy_of(login, config),
                source=sources.of(login),
                outputs=self.outputs(login),
            )
            for login in config.logins
        ]

    def outputs(self, login: Login) -> list[DockerFile]:
        """The outputs of a login, in order of configuration."""
        return [self._output(login, output) for output in login.outputs]

    def _output(self, login: Login, output: DockerConfig | ContainersAuth) -> DockerFile:
        match output:
            case DockerConfig() | ContainersAuth():
                return DockerFile(
                    LoginName(login.name),
                    OutputName(output.name),
                    str(output.path),
                    replaces_foreign=output.if_foreign == "replace",
                    options=file_options(output),
                    writers=self.writers,
                    workers=self.workers,
                )
            case _:
                assert_never(output)


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
    return FileOptions(mode=output.file_mode, in_place=output.in_place)


def policy_of(login: Login, config: Config) -> Policy:
    """What the operator chose for the login."""
    at, spread = config.renewal.at, config.renewal.spread
    return Policy(renew_at=at, spread=spread, verify=login.verify)


def view_of(config: Config, states: list[LoginState], clock: Clock) -> Report:
    """The report on these logins."""
    regions = {login.name: login.region for login in config.logins}
    return report([(state, regions.get(state.login, "")) for state in states], clock.now())
