"""What the library does behind a client's back for AWS credentials, brought under the guard.

Two of its sources ask over HTTP with sessions of their own, which follow redirects and read bodies
of any size; a third asks a person for a code. The names used here are private there, and pinned by
tests.
"""

from __future__ import annotations

from typing import Any, NoReturn

from aiobotocore.credentials import AioCredentialResolver
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import InvalidConfigError
from botocore.utils import get_environ_proxies


def guard_sources(chain: AioCredentialResolver, kind: type[AIOHTTPSession]) -> None:
    """Let the sources in `chain` ask by sessions of `kind`, and nobody at the keyboard.

    A profile that names such a source (`credential_source`) is served by the same objects.
    """
    container = chain.get_provider("container-role")._fetcher  # noqa: SLF001
    container._session = _Sessions(kind, container.TIMEOUT_SECONDS, {})  # noqa: SLF001
    instance = chain.get_provider("iam-role")._role_fetcher  # noqa: SLF001
    proxies = get_environ_proxies(instance._base_url)  # noqa: SLF001
    instance._session = _Sessions(kind, instance._timeout, proxies)  # noqa: SLF001
    chain.get_provider("assume-role")._prompter = _nobody  # noqa: SLF001


class _Sessions:
    """What a source takes for its session: a new one for each request."""

    def __init__(self, kind: type[AIOHTTPSession], timeout: float, proxies: dict[str, str]) -> None:
        self._kind = kind
        self._timeout = timeout
        self._proxies = proxies

    def acquire(self) -> Any:  # noqa: ANN401 - aiobotocore ships no types
        """To be entered, used and left."""
        return self._kind(timeout=self._timeout, proxies=self._proxies)


def _nobody(_: str) -> NoReturn:
    raise InvalidConfigError(error_msg="the role wants an MFA code, and a daemon has none to type")
