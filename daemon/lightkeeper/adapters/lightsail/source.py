"""Where AWS credentials come from, and the sessions that find and refresh them."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.credentials import (
    AioAssumeRoleCredentialFetcher,
    AioDeferredRefreshableCredentials,
    create_credential_resolver,
)
from aiobotocore.session import AioSession
from botocore.exceptions import (
    ConfigNotFound,
    ConfigParseError,
    ProfileNotFound,
)
from botocore.loaders import create_loader
from botocore.session import Session
from msgspec import Struct
from msgspec.structs import replace

from lightkeeper import __version__
from lightkeeper.adapters.lightsail.data import DataFiles
from lightkeeper.adapters.lightsail.fetchers import guard_sources
from lightkeeper.adapters.lightsail.guard import guarded_session

_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 10


class AwsSource(Struct, frozen=True, kw_only=True):
    """One login's region, and the AWS identity that asks for it."""

    region: str
    profile: str | None = None
    """None leaves it to AWS's own chain."""
    role_arn: str | None = None
    """A role to assume with what the chain finds."""
    external_id: str | None = None
    session_name: str = "lightkeeper"
    endpoint_url: str | None = None
    """Lightsail's, where it is not AWS's own; that of STS stays as it is."""

    @property
    def identity(self) -> AwsSource:
        """What says whom AWS takes us for; STS is asked in the login's own region."""
        return replace(self, endpoint_url=None)


class SharedAws:
    """What all sources share: AWS's data files in memory, SSL contexts and client settings.

    Made once for a process; 10 MB and 100 ms of processor time for each source otherwise.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._loader: Any = None
        self._sessions = guarded_session()
        # Said to the session, so that the clients of STS and SSO within it do not retry either.
        self._config = AioConfig(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=1,
            http_session_cls=self._sessions,
            # What a mode would set is set here, and "auto" would ask the metadata service.
            defaults_mode="legacy",
            user_agent_extra=f"lightkeeper/{__version__}",
        )

    def open(self, source: AwsSource) -> AioSession:
        """A session that reads configuration and credentials anew; it blocks."""
        session = AioSession(profile=source.profile)
        session.set_default_client_config(self._config)
        session.register_component("data_loader", self._load(session))
        chain = create_credential_resolver(session, region_name=source.region)
        guard_sources(chain, self._sessions)
        found = chain if source.role_arn is None else _AssumedRole(session, source, chain)
        session.register_component("credential_provider", found)
        return session

    def _load(self, session: AioSession) -> Any:  # noqa: ANN401 - botocore ships no types
        with self._lock:
            if self._loader is None:
                loader = create_loader(session.get_config_variable("data_path"))
                loader.file_loader = DataFiles()
                # Worded as botocore does: its cache goes by the arguments.
                for name in ("endpoints", "sdk-default-configuration"):
                    loader.load_data_with_path(name)
                for kind in ("service-2", "endpoint-rule-set-1"):
                    loader.load_service_model("lightsail", kind, api_version=None)
                self._loader = loader
            return self._loader


class _AssumedRole:
    """Credentials of a role, by way of those that the chain finds."""

    def __init__(self, session: AioSession, source: AwsSource, chain: Any) -> None:  # noqa: ANN401
        self._session = session
        self._source = source
        self._chain = chain

    async def load_credentials(self) -> AioDeferredRefreshableCredentials | None:
        """Credentials that ask STS when they are first needed, and again before they expire."""
        source = self._source
        found = await self._chain.load_credentials()
        if found is None:
            return None
        said = {"RoleSessionName": source.session_name}
        if source.external_id is not None:
            said["ExternalId"] = source.external_id
        fetcher = AioAssumeRoleCredentialFetcher(
            client_creator=partial(self._session.create_client, region_name=source.region),
            source_credentials=found,
            role_arn=source.role_arn,
            extra_args=said,
            cache={},
        )
        return AioDeferredRefreshableCredentials(
            method="assume-role", refresh_using=fetcher.fetch_credentials
        )


def profile_region(profile: str | None) -> str | None:
    """The region that AWS's own configuration says for `profile`, or for the chain's default.

    Reads files. None too where the profile is unknown or the files cannot be parsed: whoever asks
    AWS is told so then.
    """
    try:
        region = Session(profile=profile).get_config_variable("region")
    except (ConfigNotFound, ConfigParseError, ProfileNotFound):
        return None
    return region or None
