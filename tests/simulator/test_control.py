from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from botocore.credentials import ReadOnlyCredentials

from lightkeeper.simulator import Simulator, listed_faults
from tests.simulator.asking import ask, login


class Control:
    """A client of the control route."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self._url = f"{simulator.endpoint_url}/_simulator/"
        self._http = http

    async def __call__(self, method: str, route: str = "", **body: Any) -> tuple[int, Any]:  # noqa: ANN401
        sent = body if method == "POST" else None
        async with self._http.request(method, self._url + route, json=sent) as response:
            return response.status, await response.json()

    async def post_raw(self, body: bytes, content_type: str) -> tuple[int, Any]:
        headers = {"Content-Type": content_type}
        async with self._http.post(self._url, data=body, headers=headers) as response:
            return response.status, await response.json()


@pytest.fixture
def control(simulator: Simulator, http: aiohttp.ClientSession) -> Control:
    return Control(simulator, http)


async def test_the_state_tells_what_was_issued_without_passwords(
    simulator: Simulator, control: Control
) -> None:
    credential = await login(simulator)

    status, state = await control("GET")

    assert status == 200
    assert state["registry"] == simulator.registry
    assert state["issued"] == 1
    assert [one["username"] for one in state["valid_credentials"]] == ["AWS"]
    assert state["requests"]["lightsail"] == 1
    assert credential["password"] not in str(state)


async def test_a_setting_is_changed_and_shown(simulator: Simulator, control: Control) -> None:
    status, state = await control("POST", service_present=False, lifetime_seconds=90)

    assert status == 200
    assert state["settings"]["lifetime_seconds"] == 90
    assert (await ask(simulator)).code == "NotFoundException"


async def test_the_settings_that_are_shown_can_be_sent_back(control: Control) -> None:
    _, before = await control("GET")

    status, after = await control("POST", **before["settings"])

    assert status == 200
    assert after["settings"] == before["settings"]


async def test_a_change_that_is_wrong_in_part_changes_nothing(control: Control) -> None:
    status, refusal = await control("POST", service_present=False, lifetime_seconds=-1)

    assert status == 400
    assert "lifetime_seconds" in refusal["error"]
    assert (await control("GET"))[1]["settings"]["service_present"] is True


async def test_the_faults_are_listed_with_their_sentences(control: Control) -> None:
    status, faults = await control("GET", "faults")

    assert status == 200
    assert list(faults) == [line.split()[0] for line in listed_faults().splitlines()]
    assert all(faults.values())


async def test_a_fault_is_ordered_by_name(simulator: Simulator, control: Control) -> None:
    status, answer = await control("POST", "faults", name="ThrottlingException", times=2)

    assert (status, len(answer["waiting_faults"]["lightsail"])) == (200, 2)
    codes = [(await ask(simulator)).status for _ in range(3)]
    assert codes == [400, 400, 200]


async def test_a_fault_is_ordered_for_another_endpoint(
    simulator: Simulator, control: Control
) -> None:
    await control("POST", "faults", name="status_502", at="registry")

    assert (await ask(simulator)).status == 200
    assert simulator.script.waiting() == {"registry": ["status_502"]}


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"name": "ThrottlingExeption"}, "did you mean ThrottlingException?"),
        ({"name": "html", "times": 0}, "times is 1 to"),
        ({"name": "html", "times": True}, "a whole number"),
        ({"name": "html", "at": "nowhere"}, 'at is "lightsail", "registry", "sts", '),
        ({"name": "html", "at": "connection"}, "cannot strike a connection"),
        ({"name": "html", "often": 3}, "not known: often"),
        ({"times": 3}, "name is a text"),
    ],
)
async def test_a_wrong_order_is_refused_with_a_sentence(
    simulator: Simulator, control: Control, order: dict[str, Any], said: str
) -> None:
    status, refusal = await control("POST", "faults", **order)

    assert status == 400
    assert said in refusal["error"]
    assert simulator.script.waiting() == {}


async def test_faults_that_wait_are_dropped(simulator: Simulator, control: Control) -> None:
    simulator.fail("html", times=5)

    status, answer = await control("DELETE", "faults")

    assert (status, answer) == (200, {"waiting_faults": {}})
    assert (await ask(simulator)).status == 200


async def test_the_requests_are_told_without_their_secrets(
    simulator: Simulator, control: Control
) -> None:
    await ask(simulator)

    status, requests = await control("GET", "requests")

    assert status == 200
    assert [one["action"] for one in requests] == ["CreateContainerServiceRegistryLogin"]
    assert "authorization" in requests[0]["headers"]
    assert "Signature=" not in str(requests)


async def test_requests_are_counted_from_zero_again(simulator: Simulator, control: Control) -> None:
    await ask(simulator)

    await control("DELETE", "requests")

    assert simulator.requests.count() == 0
    assert (await control("GET", "requests"))[1] == []


async def test_asking_the_control_route_counts_as_no_request(control: Control) -> None:
    await control("GET")

    assert (await control("GET", "requests"))[1] == []


@pytest.mark.parametrize(("which", "left"), [("newest", [True, False]), ("all", [False, False])])
async def test_credentials_are_ended_early(
    simulator: Simulator, control: Control, which: str, left: list[bool]
) -> None:
    issued = [await login(simulator), await login(simulator)]

    status, _ = await control("POST", "end", credentials=which)

    assert status == 200
    assert [simulator.accepts("AWS", one["password"]) for one in issued] == left


@pytest.mark.parametrize("wanted", [{}, {"credentials": "some"}, {"credentials": "all", "x": 1}])
async def test_ending_something_else_is_refused(
    simulator: Simulator, control: Control, wanted: dict[str, Any]
) -> None:
    await login(simulator)

    status, _ = await control("POST", "end", **wanted)

    assert status == 400
    assert len((await control("GET"))[1]["valid_credentials"]) == 1


async def test_keys_are_rotated(simulator: Simulator, control: Control) -> None:
    _, made = await control("POST", "keys", create=True)
    await control("POST", "keys", revoke="AKIASIMULATEDKEY0001")
    new = ReadOnlyCredentials(made["access_key_id"], made["secret_access_key"], None, None)

    assert (await ask(simulator)).code == "UnrecognizedClientException"
    assert (await ask(simulator, key=new)).status == 200


async def test_keys_are_denied_and_allowed(simulator: Simulator, control: Control) -> None:
    await control("POST", "keys", deny="AKIASIMULATEDKEY0001")
    denied = await ask(simulator)
    await control("POST", "keys", allow="AKIASIMULATEDKEY0001")

    assert denied.code == "AccessDeniedException"
    assert (await ask(simulator)).status == 200


@pytest.mark.parametrize("wanted", [{}, {"create": False}, {"deny": 5}, {"deny": "a", "x": 1}])
async def test_turning_keys_otherwise_is_refused(control: Control, wanted: dict[str, Any]) -> None:
    status, refusal = await control("POST", "keys", **wanted)

    assert status == 400
    assert "create" in refusal["error"]


async def test_unknown_routes_are_told(control: Control) -> None:
    assert await control("GET", "nothing") == (404, {"error": "no such control route"})
    assert (await control("PUT"))[0] == 404


async def test_a_stray_web_page_cannot_post(simulator: Simulator, control: Control) -> None:
    status, _ = await control.post_raw(b'{"service_present": false}', "text/plain")

    assert status == 400
    assert simulator.account.service_present


NO_JSON = "the body is not JSON: "


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", NO_JSON),
        (b"{", NO_JSON),
        (b"\xff", NO_JSON),
        (b"[" * 100_000, NO_JSON),
        (b"[]", "the body is not a JSON object"),
    ],
    ids=["nothing", "half", "bytes", "deep", "list"],
)
async def test_a_body_that_is_no_object_is_refused(
    control: Control, body: bytes, said: str
) -> None:
    status, refusal = await control.post_raw(body, "application/json")

    assert status == 400
    assert refusal["error"].startswith(said)
