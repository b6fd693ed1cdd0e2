"""Every fault by name, and the script: which request is to meet which."""

from __future__ import annotations

from collections import defaultdict, deque
from difflib import get_close_matches
from typing import Final

from lightkeeper.simulator.bad_answers import BAD_BODIES, BAD_FIELDS, ERROR_ANSWERS, ODD_BUT_GOOD
from lightkeeper.simulator.breakages import CONNECTIONS, CUTS, ENDLESS, NOT_HTTP
from lightkeeper.simulator.requests import Endpoint
from lightkeeper.simulator.wire import Fault, Stage

_GROUPS: Final = (
    *(CONNECTIONS, CUTS, ENDLESS, NOT_HTTP),
    *(ERROR_ANSWERS, BAD_BODIES, BAD_FIELDS, ODD_BUT_GOOD),
)
FAULTS: Final = {fault.name: fault for group in _GROUPS for fault in group}

_MAX_TIMES: Final = 10_000


def listed_faults() -> str:
    """The table of all faults for people: a name and its sentence a line."""
    width = max(map(len, FAULTS))
    return "\n".join(f"{fault.name:{width}}  {fault.sentence}" for fault in FAULTS.values())


class Script:
    """The faults that wait for their request, a queue for each endpoint."""

    def __init__(self) -> None:
        self._queues = defaultdict[Endpoint, deque[Fault]](deque)

    def add(self, name: str, *, times: int = 1, at: Endpoint = Endpoint.LIGHTSAIL) -> None:
        """Let the next `times` requests to `at`, after those already waiting, meet this fault.

        A fault on accept strikes the next connections instead, whoever makes them.
        Raises ValueError for an unknown name, for `times` out of 1 to 10,000, and for a fault on
        connections that can only strike a request.
        """
        fault = FAULTS.get(name)
        if fault is None:
            near = get_close_matches(name, FAULTS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            message = f"there is no fault called {name!r}{hint}"
            raise ValueError(message)
        if not 1 <= times <= _MAX_TIMES:
            message = f"times is 1 to {_MAX_TIMES}, not {times}"
            raise ValueError(message)
        if at is Endpoint.CONNECTION and fault.stage is not Stage.ACCEPT:
            message = f"{name} answers a request; it cannot strike a connection"
            raise ValueError(message)
        queue = self._queues[Endpoint.CONNECTION if fault.stage is Stage.ACCEPT else at]
        queue.extend([fault] * times)

    def awaits(self, endpoint: Endpoint) -> bool:
        """Whether a fault waits for a request or connection to `endpoint`."""
        return bool(self._queues[endpoint])

    def take(self, endpoint: Endpoint) -> Fault | None:
        """The fault that the request or connection at hand is to meet, if any."""
        queue = self._queues[endpoint]
        return queue.popleft() if queue else None

    def clear(self) -> None:
        """Let nothing more go wrong."""
        self._queues.clear()

    def waiting(self) -> dict[str, list[str]]:
        """The names of those that wait, by endpoint."""
        return {
            endpoint.value: [fault.name for fault in queue]
            for endpoint, queue in self._queues.items()
            if queue
        }
