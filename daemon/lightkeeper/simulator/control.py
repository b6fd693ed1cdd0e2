"""The control route, JSON under `/_simulator/`: what to answer from now on, and what came so far.

    GET    /_simulator/            the state: settings, valid credentials (no passwords), counts
    POST   /_simulator/            change settings: any of the members under "settings" in the state
    GET    /_simulator/faults      every fault and its sentence
    POST   /_simulator/faults      {"name": "reset_in_body", "times": 3, "at": "lightsail"}
    DELETE /_simulator/faults      drop those that wait
    GET    /_simulator/requests    every request, without its secrets
    DELETE /_simulator/requests    count from zero again
    POST   /_simulator/end         {"credentials": "newest" | "all"}
    POST   /_simulator/keys        {"create": true}, or {"deny" | "allow" | "revoke": ID};
                                   deny and allow take the ARN of a role as well

POST wants `Content-Type: application/json`, which a stray web page cannot send unasked. A wrong
request is answered 400 with {"error": sentence} and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from aiohttp import web

from lightkeeper.simulator.account import Account
from lightkeeper.simulator.changes import Json, change, current
from lightkeeper.simulator.faults import FAULTS, Script
from lightkeeper.simulator.requests import Endpoint, Requests
from lightkeeper.simulator.settings import word_of

PREFIX: Final = "/_simulator/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the control route looks into and turns."""

    account: Account
    script: Script
    requests: Requests


async def answer(desk: Desk, request: web.BaseRequest) -> web.Response:
    """Do what a control request asks for."""
    act = _ROUTES.get((request.method, request.path.removeprefix(PREFIX)))
    if act is None:
        return web.json_response({"error": "no such control route"}, status=404)
    try:
        wanted = await _wanted(request) if request.method == "POST" else {}
        return web.json_response(act(desk, wanted))
    except (TypeError, ValueError, OverflowError) as exc:
        return web.json_response({"error": str(exc)}, status=400)


async def _wanted(request: web.BaseRequest) -> Json:
    if request.content_type != "application/json":
        message = "Content-Type is not application/json"
        raise ValueError(message)
    try:
        wanted = json.loads(await request.read())
    except (ValueError, RecursionError) as exc:
        message = f"the body is not JSON: {exc}"
        raise ValueError(message) from exc
    if not isinstance(wanted, dict):
        message = "the body is not a JSON object"
        raise TypeError(message)
    return wanted


def _status(desk: Desk, _: Json) -> Json:
    account = desk.account
    now = account.clock.now()
    return {
        "now": now.isoformat(),
        "region": account.region,
        "registry": account.registry,
        "settings": current(account),
        "issued": account.credentials.count,
        "valid_credentials": [
            {
                "username": one.username,
                "issued_at": one.issued_at.isoformat(),
                "expires_at": one.expires_at.isoformat(),
            }
            for one in account.credentials.alive(now)
        ],
        "requests": {one.value: desk.requests.count(one) for one in Endpoint},
        "waiting_faults": desk.script.waiting(),
    }


def _change(desk: Desk, wanted: Json) -> Json:
    change(desk.account, wanted)
    return _status(desk, {})


def _list_faults(_: Desk, __: Json) -> Json:
    return {fault.name: fault.sentence for fault in FAULTS.values()}


def _waiting(desk: Desk) -> Json:
    return {"waiting_faults": desk.script.waiting()}


def _add_fault(desk: Desk, wanted: Json) -> Json:
    _check_members(wanted, {"name", "times", "at"})
    name, times = wanted.get("name"), wanted.get("times", 1)
    if not isinstance(name, str) or type(times) is not int:
        message = "name is a text, and times a whole number"
        raise TypeError(message)
    at = word_of(Endpoint, "at", wanted.get("at", Endpoint.LIGHTSAIL))
    desk.script.add(name, times=times, at=at)
    return _waiting(desk)


def _drop_faults(desk: Desk, _: Json) -> Json:
    desk.script.clear()
    return _waiting(desk)


def _list_requests(desk: Desk, _: Json) -> list[Json]:
    return [asdict(one) | {"at": one.at.isoformat()} for one in desk.requests]


def _forget_requests(desk: Desk, _: Json) -> Json:
    desk.requests.clear()
    return {"requests": {}}


def _end(desk: Desk, wanted: Json) -> Json:
    match wanted:
        case {"credentials": "newest", **others} if not others:
            desk.account.end_newest()
        case {"credentials": "all", **others} if not others:
            desk.account.end_all()
        case _:
            message = 'credentials is "newest" or "all"'
            raise ValueError(message)
    return _status(desk, {})


def _turn_keys(desk: Desk, wanted: Json) -> Json:
    keys = desk.account.keys
    match wanted:
        case {"create": True, **others} if not others:
            key = keys.create()
            return {"access_key_id": key.id, "secret_access_key": key.secret}
        case {"deny": str(name), **others} if not others:
            keys.deny(name)
        case {"allow": str(name), **others} if not others:
            keys.allow(name)
        case {"revoke": str(name), **others} if not others:
            keys.revoke(name)
        case _:
            message = 'give one of {"create": true}, {"deny": ID}, {"allow": ID}, {"revoke": ID}'
            raise ValueError(message)
    return {}


def _check_members(wanted: Json, known: set[str]) -> None:
    if unknown := sorted(wanted.keys() - known):
        message = f"not known: {', '.join(unknown)}"
        raise ValueError(message)


_ROUTES: Final[dict[tuple[str, str], Callable[[Desk, Json], Json | list[Json]]]] = {
    ("GET", ""): _status,
    ("POST", ""): _change,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _drop_faults,
    ("GET", "requests"): _list_requests,
    ("DELETE", "requests"): _forget_requests,
    ("POST", "end"): _end,
    ("POST", "keys"): _turn_keys,
}
