"""One attempt: the better credential wins, and a living one is never given up for nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.attempt import Proven, Source
from lightkeeper.core.answer import Answer, Refusal, Verdict
from lightkeeper.core.credential import Credential, Secret, digest_of
from lightkeeper.core.reasons import Reason
from tests.core.making import HOUR, LIFETIME, a_credential
from tests.fakes.edge import Edge, FakeIssuer, an_answer

HELD = a_credential("simulated-held")


def an_attempt(answer: Answer | Refusal, *, passed: timedelta = 6 * HOUR) -> tuple[Source, Edge]:
    edge = Edge()
    edge.clock.passed = passed
    return edge.source(FakeIssuer(edge.clock, answers=[answer])), edge


def answer_at(passed: timedelta, *, lifetime: timedelta = LIFETIME) -> Answer:
    edge = Edge()
    edge.clock.passed = passed
    return an_answer(edge.clock.now(), 1, lifetime=lifetime)


def digest_of_new() -> str:
    return digest_of("AWS", Secret("simulated-1"))


async def renewed(answer: Answer | Refusal, held: Credential | None) -> Proven | Refusal:
    source, _ = an_attempt(answer)
    return await source.renew(held, verify=True)


async def test_a_refusal_is_handed_on_as_it_came() -> None:
    refusal = Refusal(reason=Reason.THROTTLED, detail="slow down", retry_after=HOUR)

    assert await renewed(refusal, HELD) is refusal


async def test_an_answer_with_half_a_character_is_no_credential() -> None:
    """Nothing could send it, save it, or name it by its digest."""
    outcome = await renewed(replace(answer_at(6 * HOUR), password=Secret("\ud800x")), HELD)

    assert isinstance(outcome, Refusal)
    assert outcome.reason is Reason.INVALID_RESPONSE


async def test_an_answer_that_cannot_be_believed_is_no_credential() -> None:
    outcome = await renewed(answer_at(6 * HOUR, lifetime=-HOUR), HELD)

    assert isinstance(outcome, Refusal)
    assert outcome.reason is Reason.INVALID_RESPONSE


async def test_a_better_credential_comes_with_what_the_registry_says() -> None:
    outcome = await renewed(answer_at(6 * HOUR), HELD)

    assert isinstance(outcome, Proven)
    assert outcome.verdict is Verdict.ACCEPTED
    assert outcome.believed.credential.digest == digest_of_new()


async def test_the_registry_is_not_asked_where_it_is_not_to_be() -> None:
    source, edge = an_attempt(answer_at(6 * HOUR))

    outcome = await source.renew(HELD, verify=False)

    assert isinstance(outcome, Proven)
    assert outcome.verdict is None
    assert edge.verifier.asked == []


async def test_a_credential_that_expires_no_later_is_not_taken() -> None:
    outcome = await renewed(answer_at(6 * HOUR, lifetime=HOUR), HELD)

    assert isinstance(outcome, Refusal)
    assert outcome.reason is Reason.NOT_NEWER
    assert "19:00:00Z" in outcome.detail


async def test_it_is_taken_when_the_registry_refuses_the_one_in_use() -> None:
    source, edge = an_attempt(answer_at(6 * HOUR, lifetime=HOUR))
    edge.verifier.verdicts[HELD.digest] = Verdict.REJECTED

    outcome = await source.renew(HELD, verify=True)

    assert isinstance(outcome, Proven)
    assert outcome.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("opinion", [Verdict.REJECTED, Verdict.INCONCLUSIVE])
async def test_it_is_not_taken_when_the_registry_does_not_take_it_either(opinion: Verdict) -> None:
    """A registry that refuses everything for a while must not cost hours of a login."""
    source, edge = an_attempt(answer_at(6 * HOUR, lifetime=HOUR))
    edge.verifier.verdicts[HELD.digest] = Verdict.REJECTED
    edge.verifier.verdicts[digest_of("AWS", Secret("simulated-1"))] = opinion

    outcome = await source.renew(HELD, verify=True)

    assert isinstance(outcome, Refusal)
    assert outcome.reason is Reason.NOT_NEWER


async def test_it_is_taken_when_the_one_in_use_is_dead() -> None:
    source, _ = an_attempt(answer_at(13 * HOUR, lifetime=HOUR), passed=13 * HOUR)

    assert isinstance(await source.renew(HELD, verify=True), Proven)


async def test_one_that_the_registry_refuses_does_not_replace_one_that_it_takes() -> None:
    source, edge = an_attempt(answer_at(6 * HOUR))
    edge.verifier.verdicts[digest_of("AWS", Secret("simulated-1"))] = Verdict.REJECTED

    outcome = await source.renew(HELD, verify=True)

    assert isinstance(outcome, Refusal)
    assert outcome.reason is Reason.REGISTRY_REJECTED
    assert outcome.detail == "registry.test refused the new login and took the one in use"


async def test_one_that_is_refused_is_used_when_there_is_none_other() -> None:
    """Never refuse the only credential there is."""
    source, edge = an_attempt(answer_at(6 * HOUR))
    edge.verifier.verdicts[digest_of("AWS", Secret("simulated-1"))] = Verdict.REJECTED

    outcome = await source.renew(None, verify=True)

    assert isinstance(outcome, Proven)
    assert outcome.verdict is Verdict.REJECTED


async def test_a_registry_that_refuses_both_leaves_the_new_one() -> None:
    source, edge = an_attempt(answer_at(6 * HOUR))
    edge.verifier.verdicts[digest_of("AWS", Secret("simulated-1"))] = Verdict.REJECTED
    edge.verifier.verdicts[HELD.digest] = Verdict.REJECTED

    assert isinstance(await source.renew(HELD, verify=True), Proven)


async def test_one_that_is_refused_does_not_replace_one_of_which_nothing_is_known() -> None:
    """Never worse: what may be taken is better than what is known to be refused."""
    source, edge = an_attempt(answer_at(6 * HOUR))
    edge.verifier.verdicts[digest_of("AWS", Secret("simulated-1"))] = Verdict.REJECTED
    edge.verifier.verdicts[HELD.digest] = Verdict.INCONCLUSIVE

    outcome = await source.renew(HELD, verify=True)

    assert isinstance(outcome, Refusal)
    assert outcome.reason is Reason.REGISTRY_REJECTED
    assert outcome.detail.endswith("refused the new login; of the one in use it said nothing")


async def test_one_that_is_refused_replaces_one_that_is_dead() -> None:
    source, edge = an_attempt(answer_at(13 * HOUR), passed=13 * HOUR)
    edge.verifier.verdicts[digest_of("AWS", Secret("simulated-1"))] = Verdict.REJECTED

    outcome = await source.renew(HELD, verify=True)

    assert isinstance(outcome, Proven)
    assert outcome.verdict is Verdict.REJECTED
