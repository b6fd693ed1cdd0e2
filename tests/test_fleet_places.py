"""Places that come and go while a login is kept, and what is remembered of those that went."""

from __future__ import annotations

from lightkeeper.core import facts
from lightkeeper.fleet import Fleet
from tests.core.making import LOGIN
from tests.fakes.edge import Edge, FakeOutput, running
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


async def test_what_is_told_of_a_login_that_is_not_kept_is_passed_over() -> None:
    fleet = Fleet(Edge().world(), {})

    fleet.cleared(LOGIN, LEFT)

    assert fleet.known(LOGIN, LEFT) == ()
    assert fleet.states == []
