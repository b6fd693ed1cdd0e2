"""Places that come and go while a login is kept, and what is remembered of those that went."""

from __future__ import annotations

from lightkeeper.core import facts
from lightkeeper.core.facts import OutputName
from lightkeeper.fleet import Fleet
from tests.core.making import LOGIN, OUTPUT
from tests.fakes.edge import Edge, FakeOutput, running, turns
from tests.test_desk import kept

LEFT, GONE, STAYS = "left/push", "gone/push", "stays/push"


async def test_of_places_that_went_those_are_remembered_where_an_entry_may_be() -> None:
    edge, output = Edge(), FakeOutput(names=(LEFT, GONE, STAYS))
    fleet = Fleet(edge.world(), {})
    fleet.apply([kept(LOGIN, "f", edge.source(edge.issuer()), output)])
    async with running(fleet):
        await edge.notebook.until(facts.RoundEnded)

        output.names, output.gone = (STAYS,), {GONE}
        fleet.survey()
        assert [one.name for one in fleet.states[0].left] == [LEFT]
        (left,) = fleet.states[0].left
        assert fleet.known(LOGIN, LEFT) == (*fleet.states[0].known, *left.known)
        assert fleet.known(LOGIN, STAYS) == fleet.states[0].known != ()

        fleet.cleared(LOGIN, LEFT)
        assert fleet.states[0].left == ()


async def test_a_reload_remembers_them_the_same_way() -> None:
    edge, output = Edge(), FakeOutput(names=(LEFT, GONE, STAYS))
    fleet = Fleet(edge.world(), {})
    source = edge.source(edge.issuer())
    fleet.apply([kept(LOGIN, "f", source, output)])
    async with running(fleet):
        await edge.notebook.until(facts.RoundEnded)
        fleet.apply([kept(LOGIN, "f", source, FakeOutput(names=(STAYS,), gone={GONE}))])

        assert [one.name for one in fleet.states[0].left] == [LEFT]


async def test_one_round_tells_of_all_places_though_they_are_told_after_the_credential() -> None:
    """A file is delivered meanwhile, and what comes after the round is told one by one."""
    edge, file = Edge(), FakeOutput()
    listed = FakeOutput(names=(), name=OutputName("listed"), is_unlisted=True)
    fleet = Fleet(edge.world(), {})
    fleet.apply([kept(LOGIN, "f", edge.source(edge.issuer()), file, listed)])
    async with running(fleet):
        await edge.notebook.until(facts.Delivered)
        await turns()
        assert not edge.notebook.of(facts.RoundEnded)

        listed.names, listed.is_unlisted = (LEFT, GONE), False
        fleet.survey()
        ended = await edge.notebook.until(facts.RoundEnded)

        listed.names = (LEFT, GONE, STAYS)
        fleet.survey()
        await edge.notebook.until(facts.Delivered, 4)

    assert isinstance(ended, facts.RoundEnded)
    assert (ended.changed, ended.unchanged, ended.failing) == (3, 0, 0)
    assert len(edge.notebook.of(facts.RoundEnded)) == 1
    told = zip(edge.notebook.facts, edge.notebook.news, strict=True)
    assert [news for fact, news in told if isinstance(fact, facts.Delivered)] == [
        *[False] * 3,
        True,
    ]


async def test_a_reload_begins_no_round_and_waits_for_none() -> None:
    edge, output = Edge(), FakeOutput(names=(LEFT,))
    fleet = Fleet(edge.world(), {})
    source = edge.source(edge.issuer())
    fleet.apply([kept(LOGIN, "f", source, output)])
    async with running(fleet):
        await edge.notebook.until(facts.RoundEnded)
        fleet.apply([kept(LOGIN, "f", source, FakeOutput(names=(STAYS,), is_unlisted=True))])

        assert fleet.states[0].unlisted == {OUTPUT}
        assert fleet.states[0].round is None


async def test_what_is_told_of_a_login_that_is_not_kept_is_passed_over() -> None:
    fleet = Fleet(Edge().world(), {})

    fleet.cleared(LOGIN, LEFT)

    assert fleet.known(LOGIN, LEFT) == ()
    assert fleet.states == []
