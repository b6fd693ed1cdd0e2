"""Every fault that the simulator can play: the right outcome, in bounded time, nothing left."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.core.answer import Believed, Oddity, Refusal, believe
from lightkeeper.core.reasons import Reason
from lightkeeper.simulator import Endpoint, Simulator, listed_faults, simulate
from tests.adapters.lightsail.asking import AMPLE, BRIEF, answer_of, issuer_at, refusal_of

pytestmark = pytest.mark.usefixtures("_keys")

NAMES = frozenset(line.split()[0] for line in listed_faults().splitlines())

LONGER = timedelta(seconds=3)
"""For many at once to get as far as their fault; less than any timeout of the library."""

CUT_LATER = "no complete answer within 3 s"

ENDLESS = (
    "hang_on_accept hang_before_status hang_in_headers hang_before_body hang_in_body drip_headers"
    " drip_body connect_silence endless_chunks endless_1xx"
)
"""What no timeout of the library ends in time: the deadline does."""

REFUSED: Mapping[Reason, str] = {
    Reason.NETWORK: "close_on_accept reset_on_accept close_after_request reset_after_request"
    " lost_answer close_in_headers reset_in_headers close_in_body reset_in_body close_in_chunk",
    Reason.THROTTLED: "ThrottlingException Throttling ThrottledException RequestLimitExceeded"
    " TooManyRequestsException status_429 throttled_with_retry_after",
    Reason.SERVICE_ERROR: "ServiceException InternalFailure ServiceUnavailable error_empty"
    " OperationFailureException status_500 status_502 status_503 status_504 error_cut_json"
    " status_503_with_retry_after",
    Reason.TIMEOUT: "RequestTimeoutException RequestExpired",
    Reason.PROXY: "status_407",
    Reason.ACCESS_DENIED: "AccessDeniedException NotAuthorized OptInRequired",
    Reason.UNAUTHENTICATED: "UnauthenticatedException UnrecognizedClientException"
    " InvalidClientTokenId InvalidSignatureException SignatureDoesNotMatch UnauthorizedException",
    Reason.AWS_CREDENTIALS_EXPIRED: "ExpiredTokenException ExpiredToken",
    Reason.REGION_SETUP_IN_PROGRESS: "RegionSetupInProgressException"
    " AccountSetupInProgressException",
    Reason.NO_CONTAINER_SERVICE: "NotFoundException InvalidInputException",
    Reason.INVALID_INPUT: "IncompleteSignature MissingAuthenticationToken ValidationError"
    " MissingAuthenticationTokenException InvalidAction UnknownOperationException"
    " MalformedHttpRequestException RequestEntityTooLargeException SerializationException",
    Reason.REDIRECTED: "status_300 redirect_301 redirect_302 redirect_303 redirect_307"
    " redirect_308 redirect_loop redirect_nowhere",
    Reason.INVALID_RESPONSE: "endless_headers garbage bad_status_line huge_header header_not_utf8"
    " two_lengths length_and_chunked switching_protocols UNAUTHORIZED DENIED NAME_UNKNOWN"
    " status_400 status_403 status_404 error_without_type error_list error_null"
    " error_type_number error_xml error_type_in_header error_query_header html empty_body"
    " empty_object null list text login_null login_list login_empty cut_json deep_json not_utf8"
    " gzip gzip_bomb huge_body expires_empty expires_garbage expires_list expires_object"
    " expires_year_10000 expires_huge expires_milliseconds",
}

DISBELIEVED = (
    "username_null username_number username_colon password_null password_control registry_null"
    " registry_malformed expires_null expires_true expires_negative expires_naive"
    " expires_past"
)
"""Answers whose fields arrive, and are not believed."""

USED: Mapping[str, frozenset[Oddity]] = {
    "continue_first": frozenset(),
    "registry_unknown": frozenset({Oddity.UNFAMILIAR_REGISTRY}),
    "expires_text": frozenset(),
    "expires_offset": frozenset(),
    "expires_rfc1123": frozenset(),
    "expires_number_text": frozenset(),
    "expires_in_ten_years": frozenset({Oddity.DISTANT_EXPIRY}),
    "registry_url": frozenset(),
    "unknown_members": frozenset(),
    "no_date": frozenset({Oddity.NO_DATE}),
    "bad_date": frozenset({Oddity.NO_DATE}),
    "refused_credential": frozenset(),
    "slow_answer": frozenset(),
}
"""Answers that are used, with what is said of them."""

ASKED_TWICE = frozenset(
    f"{REFUSED[Reason.UNAUTHENTICATED]} {REFUSED[Reason.AWS_CREDENTIALS_EXPIRED]}".split()
)
"""Newer AWS credentials may lie where the refused ones came from."""

BY_CHANCE = "bad_chunk_size"
"""aiohttp notices it only where it comes together with the headers, else it waits for more."""

ENDED = [(name, reason) for reason, names in REFUSED.items() for name in names.split()]


def test_every_fault_of_the_simulator_has_a_row_here() -> None:
    rows = [*ENDLESS.split(), *(name for name, _ in ENDED), *DISBELIEVED.split(), *USED, BY_CHANCE]

    assert sorted(rows) == sorted(NAMES)


@pytest.mark.parametrize(("name", "reason"), ENDED)
async def test_a_failure_is_named(
    simulator: Simulator, shared: SharedAws, name: str, reason: Reason
) -> None:
    calls = 2 if name in ASKED_TWICE else 1
    simulator.fail(name, times=calls + 1)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.reason is reason
    assert simulator.requests.count() + simulator.requests.count(Endpoint.CONNECTION) == calls
    assert simulator.requests.count(Endpoint.ELSEWHERE) == 0
    assert simulator.account.draft().password[:10] not in refusal.detail
    assert refusal.detail.isprintable()
    assert 0 < len(refusal.detail) <= 200


async def test_what_never_ends_is_cut_by_the_deadline(shared: SharedAws) -> None:
    """All at once, each at a simulator of its own: none holds up another."""
    async with asyncio.TaskGroup() as tasks:
        for name in ENDLESS.split():
            tasks.create_task(_cut(name, shared), name=name)


async def _cut(name: str, shared: SharedAws) -> None:
    async with simulate() as simulator:
        simulator.fail(name)
        refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared), LONGER)
        came = simulator.requests.count() + simulator.requests.count(Endpoint.CONNECTION)

    assert (name, refusal) == (name, Refusal(reason=Reason.TIMEOUT, detail=CUT_LATER))
    assert (name, came) == (name, 1)


async def test_a_chunk_that_is_none_is_refused_or_cut(
    simulator: Simulator, shared: SharedAws
) -> None:
    simulator.fail(BY_CHANCE)

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared), BRIEF)

    assert refusal.reason in {Reason.INVALID_RESPONSE, Reason.TIMEOUT}
    assert simulator.requests.count() == 1


@pytest.mark.parametrize("name", DISBELIEVED.split())
async def test_an_answer_that_is_not_whole_is_not_believed(
    simulator: Simulator, shared: SharedAws, name: str
) -> None:
    simulator.fail(name)

    answer = await answer_of(issuer_at(simulator.endpoint_url, shared))
    outcome = believe(answer, simulator.endpoint_url)

    assert isinstance(outcome, Refusal)
    assert outcome.reason is Reason.INVALID_RESPONSE
    assert answer.password is None or answer.password.reveal() not in outcome.detail


@pytest.mark.parametrize(("name", "oddities"), USED.items())
async def test_an_answer_that_is_merely_unusual_is_used(
    simulator: Simulator, shared: SharedAws, name: str, oddities: frozenset[Oddity]
) -> None:
    simulator.fail(name)
    before = datetime.now(UTC).replace(microsecond=0)

    answer = await answer_of(issuer_at(simulator.endpoint_url, shared))
    believed = believe(answer, simulator.endpoint_url)

    assert isinstance(believed, Believed)
    assert believed.oddities == oddities
    expires_in = believed.credential.expires_at - before
    assert timedelta(hours=12) <= expires_in < timedelta(hours=12) + AMPLE


async def test_a_good_answer_is_what_lightsail_issued(
    simulator: Simulator, shared: SharedAws
) -> None:
    believed = believe(await answer_of(issuer_at(simulator.endpoint_url, shared)), None)

    assert isinstance(believed, Believed)
    credential = believed.credential
    assert credential.registry == simulator.registry
    assert simulator.accepts(credential.username, credential.password.reveal())
    assert credential.expires_at.utcoffset() == timedelta(0)


async def test_a_wish_for_patience_is_heard(simulator: Simulator, shared: SharedAws) -> None:
    simulator.fail("throttled_with_retry_after")

    refusal = await refusal_of(issuer_at(simulator.endpoint_url, shared))

    assert refusal.retry_after == timedelta(seconds=20)
