"""The settings that the control route changes: what each takes, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from lightkeeper.simulator.account import Account
from lightkeeper.simulator.settings import Throttle, Validity, word_of

Json = dict[str, Any]
Change = Callable[[], None]

_LONGEST_SECONDS: Final = 3650 * 86400.0


def current(account: Account) -> Json:
    """The settings as they are now, in the form in which `change` takes them."""
    throttle = account.throttle
    return {
        "lifetime_seconds": account.lifetime.total_seconds(),
        "aws_lifetime_seconds": account.aws_lifetime.total_seconds(),
        "clock_offset_seconds": account.clock.offset.total_seconds(),
        "validity": account.credentials.validity.value,
        "service_present": account.service_present,
        "throttle": None
        if throttle is None
        else {"burst": throttle.burst, "per_second": throttle.per_second},
    }


def change(account: Account, wanted: Json) -> None:
    """Change the named settings: all of them, or none and raise ValueError or TypeError."""
    if unknown := sorted(wanted.keys() - _CHANGES.keys()):
        message = f"not known: {', '.join(unknown)}; known are {', '.join(_CHANGES)}"
        raise ValueError(message)
    changes = [_CHANGES[name](account, value) for name, value in wanted.items()]
    for apply in changes:
        apply()


def _lifetime(account: Account, value: object) -> Change:
    lifetime = _duration("lifetime_seconds", value, shortest=0.001)
    return lambda: setattr(account, "lifetime", lifetime)


def _aws_lifetime(account: Account, value: object) -> Change:
    lifetime = _duration("aws_lifetime_seconds", value, shortest=0.001)
    return lambda: setattr(account, "aws_lifetime", lifetime)


def _clock_offset(account: Account, value: object) -> Change:
    offset = _duration("clock_offset_seconds", value, shortest=-_LONGEST_SECONDS)
    return lambda: account.move_clock(offset)


def _validity(account: Account, value: object) -> Change:
    validity = word_of(Validity, "validity", value)
    return lambda: setattr(account.credentials, "validity", validity)


def _service_present(account: Account, value: object) -> Change:
    if not isinstance(value, bool):
        message = "service_present is true or false"
        raise TypeError(message)
    return lambda: setattr(account, "service_present", value)


def _throttle(account: Account, value: object) -> Change:
    match value:
        case None:
            return lambda: account.set_throttle(None)
        case {"burst": int(burst), "per_second": int() | float() as rate, **others} if not others:
            throttle = Throttle(burst=burst, per_second=rate)
            return lambda: account.set_throttle(throttle)
        case _:
            message = 'throttle is null or {"burst": 5, "per_second": 0.5}'
            raise TypeError(message)


def _duration(name: str, value: object, *, shortest: float) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{name} is a number"
        raise TypeError(message)
    if not shortest <= value <= _LONGEST_SECONDS:
        message = f"{name} is {shortest:g} to {_LONGEST_SECONDS:g}, not {value}"
        raise ValueError(message)
    return timedelta(seconds=value)


_CHANGES: Final[dict[str, Callable[[Account, object], Change]]] = {
    "lifetime_seconds": _lifetime,
    "aws_lifetime_seconds": _aws_lifetime,
    "clock_offset_seconds": _clock_offset,
    "validity": _validity,
    "service_present": _service_present,
    "throttle": _throttle,
}
