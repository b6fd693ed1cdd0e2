"""Which login keeps a registry where the places of several logins are one file or Secret."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeAlias

from lightkeeper.core.credential import RegistryHost
from lightkeeper.core.facts import LoginName
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed

Served: TypeAlias = tuple[LoginName, str]
"""A login, and the path of one of its outputs or a Secret as namespace/name."""


class Ranks:
    """Which login comes first: as they are configured."""

    def __init__(self) -> None:
        self._numbers: dict[LoginName, int] = {}

    def order(self, logins: Iterable[LoginName]) -> None:
        """Let the logins come in this order, and all others after them."""
        self._numbers = {login: number for number, login in enumerate(logins)}

    def of(self, login: LoginName) -> int:
        """Where the login stands; the first is 0."""
        return self._numbers.get(login, len(self._numbers))


class Owners:
    """Who owns each registry in one real file or Secret: of all that asked, the first by rank."""

    def __init__(self, ranks: Ranks) -> None:
        self.ousted: list[str] = []
        """The places of those who owned a registry and have to be told that they do no more."""
        self._ranks = ranks
        self._owners: dict[RegistryHost, Served] = {}

    def claim(self, host: RegistryHost, asks: Served) -> LoginName:
        """Who owns the registry, now that this one has asked for it.

        A login has one registry at a time: what it owned before may be another login's by now.
        """
        for other, served in tuple(self._owners.items()):
            if served == asks and other != host:
                self._owners.pop(other, None)
        owner, place = self._owners.setdefault(host, asks)
        if self._ranks.of(asks[0]) < self._ranks.of(owner):
            self._owners[host] = asks
            self.ousted.append(place)
        return self._owners[host][0]

    def admit(self, host: RegistryHost, asks: Served) -> Failed | None:
        """Let the asking login deliver, unless another one owns the registry."""
        login, owner = asks[0], self.claim(host, asks)
        if owner == login:
            return None
        detail = f"logins {owner} and {login} both have {host}; {owner} keeps this place"
        return Failed(reason=Reason.CONFLICT, detail=detail)

    def forget_all_but(self, served: Collection[Served]) -> None:
        """Let whoever is served no more own nothing."""
        for host, owner in tuple(self._owners.items()):
            if owner not in served:
                self._owners.pop(host, None)
