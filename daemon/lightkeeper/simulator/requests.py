"""Every request that came, without its secrets: "exactly one attempt" is asserted on this."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Final

_KEPT: Final = 10_000


@unique
class Endpoint(StrEnum):
    """Whom a request was for."""

    LIGHTSAIL = "lightsail"
    REGISTRY = "registry"
    STS = "sts"
    SSO = "sso"
    CONTAINER = "container"
    """The container credentials of ECS and EKS."""
    IMDS = "imds"
    PROXY = "proxy"
    """CONNECT: the simulator was taken for an HTTP proxy."""
    ELSEWHERE = "elsewhere"
    """The second listener, to which redirects point: a careful client never comes here."""
    CONNECTION = "connection"
    """Nobody yet: a fault struck the connection before a request could be read."""


@dataclass(slots=True, kw_only=True)
class Request:
    """One request. Header values, bodies and query strings are not kept: secrets travel there."""

    at: datetime
    endpoint: Endpoint
    method: str = ""
    path: str = ""
    action: str = ""
    """The operation of Lightsail or STS that was asked for."""
    access_key_id: str = ""
    headers: tuple[str, ...] = ()
    """Names, lower case, in the order sent."""
    user_agent: str = ""
    fault: str = ""
    """The fault that answered in place of the endpoint."""
    status: int = 0
    """The HTTP status of the answer; 0 where a fault answered, or none was sent yet."""
    code: str = ""
    """The code of the AWS error that was answered."""


class Requests:
    """The requests in the order they came: the last 10,000 whole, all of them counted."""

    def __init__(self) -> None:
        self._kept = deque[Request](maxlen=_KEPT)
        self._counts = Counter[Endpoint]()

    def add(self, request: Request) -> None:
        """Take one more down."""
        self._kept.append(request)
        self._counts[request.endpoint] += 1

    def count(self, endpoint: Endpoint = Endpoint.LIGHTSAIL) -> int:
        """How many came for `endpoint` since the start or since `clear`."""
        return self._counts[endpoint]

    def of(self, endpoint: Endpoint = Endpoint.LIGHTSAIL) -> list[Request]:
        """Those that came for `endpoint`, oldest first."""
        return [request for request in self._kept if request.endpoint is endpoint]

    def clear(self) -> None:
        """Forget all of them, and count from zero again."""
        self._kept.clear()
        self._counts.clear()

    def __iter__(self) -> Iterator[Request]:
        return iter(self._kept)

    def __len__(self) -> int:
        return self._counts.total()
