"""Asks a registry whether it takes a credential, as `docker login` does. Knows no Lightsail."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from functools import partial
from typing import Final

import aiohttp
from aiohttp import hdrs

from lightkeeper import __version__
from lightkeeper.core.answer import Verdict
from lightkeeper.core.credential import Credential, is_loopback
from lightkeeper.lane import Lane
from lightkeeper.pace import Pace

_AT_ONCE: Final = 4
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_AGENT: Final = {hdrs.USER_AGENT: f"lightkeeper/{__version__}"}


class RegistryVerifier:
    """The Verifier: `GET /v2/` with Basic auth, each in a thread of its own."""

    def __init__(self) -> None:
        self._pace = Pace(_AT_ONCE)

    async def verify(self, credential: Credential, deadline: timedelta) -> Verdict:
        """Accepted on 200, rejected on 401 twice in a row; all else tells nothing.

        Twice, because a verdict of rejected costs a renewal, and one 401 may be a hiccup.
        """
        try:
            async with self._pace.turn():
                return await Lane().run(partial(_ask_twice, credential), deadline)
        except (aiohttp.ClientError, OSError, ValueError):
            return Verdict.INCONCLUSIVE


async def _ask_twice(credential: Credential, _: asyncio.Lock) -> Verdict:
    verdict = await _ask(credential)
    return verdict if verdict is not Verdict.REJECTED else await _ask(credential)


async def _ask(credential: Credential) -> Verdict:
    """One request, no body read; aiohttp repeats it once if its connection breaks.

    Raises what a network does.
    """
    is_local = is_loopback(credential.registry.partition(":")[0])
    url = f"{'http' if is_local else 'https'}://{credential.registry}/v2/"
    pair = f"{credential.username}:{credential.password.reveal()}".encode()
    headers = {hdrs.AUTHORIZATION: f"Basic {base64.b64encode(pair).decode()}"}
    async with (
        aiohttp.ClientSession(
            headers=_AGENT, trust_env=not is_local, cookie_jar=aiohttp.DummyCookieJar()
        ) as session,
        session.get(url, headers=headers, allow_redirects=False) as response,
    ):
        if response.status == _OK:
            return Verdict.ACCEPTED
        if response.status == _UNAUTHORIZED and _takes_passwords(response):
            return Verdict.REJECTED
        return Verdict.INCONCLUSIVE


def _takes_passwords(response: aiohttp.ClientResponse) -> bool:
    """Whether the challenge is for Basic auth: one for tokens says nothing about a password."""
    challenges = response.headers.getall(hdrs.WWW_AUTHENTICATE, [])
    return not challenges or any(one.lower().startswith("basic") for one in challenges)
