"""The adapters that all logins share, and those of each: the one place that constructs them."""

from __future__ import annotations

import os
from random import SystemRandom
from typing import assert_never

from lightkeeper.adapters.clock import SystemClock, boot_id
from lightkeeper.adapters.docker_file import DockerFile, FileOptions, FileWriters
from lightkeeper.adapters.lightsail import AwsSource, LightsailIssuer, SharedAws
from lightkeeper.adapters.posix import Posix
from lightkeeper.adapters.registry import RegistryVerifier
from lightkeeper.adapters.state_dir import StateDir
from lightkeeper.adapters.workers import Threads
from lightkeeper.attempt import Source
from lightkeeper.config.model import Config, ContainersAuth, DockerConfig, Login, source_fingerprint
from lightkeeper.core.facts import LoginName, OutputName
from lightkeeper.core.policy import Policy
from lightkeeper.core.report import Report, report
from lightkeeper.core.state import LoginState
from lightkeeper.files import Files
from lightkeeper.fleet import Kept
from lightkeeper.keeper import World
from lightkeeper.paths import Paths
from lightkeeper.ports import Alarm, Clock, Recorder


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
        self.verifier = RegistryVerifier()
        self._aws = SharedAws()
        self.store = StateDir(
            str(config.state_dir), fs=fs, files=files, paths=paths, workers=self.workers
        )

    def kept(self, config: Config) -> list[Kept]:
        """Each configured login with its edge."""
        return [self._kept(login, config) for login in config.logins]

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

    def issuer(self, login: Login) -> LightsailIssuer:
        """Who asks Lightsail for the login."""
        source = AwsSource(
            region=login.region,
            profile=login.profile,
            role_arn=login.role_arn,
            external_id=login.external_id,
            session_name=login.session_name,
            endpoint_url=login.endpoint_url,
        )
        return LightsailIssuer(source, self._aws, self.clock)

    def _kept(self, login: Login, config: Config) -> Kept:
        return Kept(
            name=LoginName(login.name),
            fingerprint=source_fingerprint(login),
            policy=policy_of(login, config),
            source=Source(
                issuer=self.issuer(login),
                endpoint=login.endpoint_url,
                verifier=self.verifier,
                clock=self.clock,
            ),
            outputs=[self._output(output) for output in login.outputs],
        )

    def _output(self, output: DockerConfig | ContainersAuth) -> DockerFile:
        match output:
            case DockerConfig() | ContainersAuth():
                return DockerFile(
                    OutputName(output.name),
                    str(output.path),
                    replaces_foreign=output.if_foreign == "replace",
                    options=FileOptions(mode=output.file_mode, in_place=output.in_place),
                    writers=self.writers,
                    workers=self.workers,
                )
            case _:
                assert_never(output)


def policy_of(login: Login, config: Config) -> Policy:
    """What the operator chose for the login."""
    at, spread = config.renewal.at, config.renewal.spread
    return Policy(renew_at=at, spread=spread, verify=login.verify)


def view_of(config: Config, states: list[LoginState], clock: Clock) -> Report:
    """The report on these logins."""
    regions = {login.name: login.region for login in config.logins}
    return report([(state, regions.get(state.login, "")) for state in states], clock.now())
