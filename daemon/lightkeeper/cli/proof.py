"""What AWS and clusters say of a configuration when they are asked, in lines for people."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lightkeeper.cli.standing import MANY, Line, Tone, few

if TYPE_CHECKING:
    from lightkeeper.config.load import Loaded
    from lightkeeper.core.reasons import Failing, Reason
    from lightkeeper.ports import Failed
    from lightkeeper.proving import Proof, Pulling, Tried

_AT = partial(Line, depth=0)


def identities(loaded: Loaded) -> Iterator[Line]:
    """Who AWS takes each login for."""
    import asyncio

    from lightkeeper import app
    from lightkeeper.core.answer import Refusal
    from lightkeeper.core.reasons import RENEWAL

    for name, said in asyncio.run(app.identities(loaded.config)).items():
        if isinstance(said, Refusal):
            yield _AT(f"{name}: {said.reason}: {said.detail}", Tone.WRONG)
            yield Line(RENEWAL[said.reason].advice)
        else:
            yield _AT(f"{name}: AWS knows it as {said}", Tone.GOOD)


def clusters(loaded: Loaded, known: Collection[str]) -> Iterator[Line]:
    """What they would refuse; of the places that are `known` to fail nothing more is said."""
    from lightkeeper.config.rbac import needed

    if not needed(loaded.config):
        return
    from lightkeeper import proving

    yield from told(proving.proof(loaded.config, known))


def told(proof: Proof) -> Iterator[Line]:
    """What came of it: what is well in a line, each failure in one of its own."""
    for tried in proof.secrets:
        yield from _secrets(tried)
    for one in proof.others:
        if one.failed is None:
            yield _AT(f"{one.what} {one.does}", Tone.GOOD)
        else:
            yield _AT(f"{one.what}: {one.failed.reason}: {one.failed.detail}", Tone.WRONG)
            yield Line(one.advice[one.failed.reason].advice)
    pulling = dict.fromkeys(one for tried in proof.secrets for one in tried.pulling)
    first, rest = few([*pulling])
    for who in first:
        yield _AT(f"warning: {_pulls(who)}", Tone.ODD)
    if rest:
        yield _AT(rest, Tone.QUIET)


def _secrets(tried: Tried) -> Iterator[Line]:
    from lightkeeper.core.reasons import DELIVERY

    of = f"of {tried.output}"
    if not tried.tried:  # none is chosen, or all fail already: the plan said so
        return
    secrets = f"{tried.tried} Secret{'' if tried.tried == 1 else 's'}"

    def some(failures: Sequence[object]) -> str:
        share = "" if tried.tried == 1 else f"{len(failures)} of "
        return f"{tried.login}: {share}{secrets} {of}"

    rest = "; the others fail as the plan says" if tried.tried < tried.looked else ""
    if tried.failures:
        yield _AT(f"{some(tried.failures)} could not be written{rest}", Tone.WRONG)
    else:
        yield _AT(f"{tried.login}: {secrets} {of} could be written{rest}", Tone.GOOD)
    if tried.is_placeholder:
        yield Line("tried with a placeholder, since no login is known yet", Tone.QUIET)
    if tried.looked < tried.places:
        yield Line(
            f"of {tried.places} the first {tried.looked} were looked at; the daemon tries all,"
            " once it runs",
            Tone.QUIET,
        )
    yield from _failures(tried.failures, DELIVERY)
    if tried.unmakeable:
        yield _AT(f"{some(tried.unmakeable)} could not be made anew, once deleted", Tone.WRONG)
    yield from _failures(tried.unmakeable, DELIVERY)
    if tried.undeletable:
        yield _AT(f"{some(tried.undeletable)} could not be deleted, as prune would", Tone.WRONG)
    yield from _failures(tried.undeletable, DELIVERY)


def _failures(
    failures: Sequence[tuple[str, Failed]], table: Mapping[Reason, Failing]
) -> Iterator[Line]:
    """A line for each of few, and what to do once for all that fail alike."""
    by_reason: dict[Reason, list[tuple[str, Failed]]] = {}
    for place, failed in sorted(failures, key=lambda one: one[1].reason):
        by_reason.setdefault(failed.reason, []).append((place, failed))
    # Each reason has some, so that none is hidden behind another that many fail by.
    most = MANY if len(failures) <= MANY else max(1, MANY // len(by_reason))
    for reason, alike in by_reason.items():
        first, rest = few(alike, most)
        for place, failed in first:
            yield Line(f"{place}: {reason}: {failed.detail}", Tone.WRONG)
        if rest:
            yield Line(rest, Tone.QUIET)
        yield Line(table[reason].advice, depth=2)


def _pulls(one: Pulling) -> str:
    return (
        f"ServiceAccount {one.account} in {one.namespace} has {one.secret} in its imagePullSecrets,"
        " and its pods pull nothing with it: the login is push-only; take it out there, and mount"
        " the Secret where builds push"
    )
