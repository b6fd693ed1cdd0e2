"""Places that come and go while a login is kept, and what is remembered of those that went."""

from __future__ import annotations

import pytest

from lightkeeper.core import facts
from lightkeeper.core.facts import LoginName, OutputName, Place
from lightkeeper.core.saved import Saved
from lightkeeper.fleet import Fleet, Kept
from tests.core.making import LOGIN, OUTPUT, POLICY
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

        fleet.cleared(LOGIN, Place(OUTPUT, LEFT))
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


@pytest.mark.parametrize("is_restart", [False, True])
async def test_what_a_configuration_leaves_is_told_once_its_output_knows_its_places(
    *, is_restart: bool
) -> None:
    """But not what went with its namespace; nor what goes later, with a label of its own."""
    edge = Edge()
    fleet = Fleet(edge.world(), {})
    source = edge.source(edge.issuer())
    before = kept(LOGIN, "f", source, FakeOutput(names=(LEFT, GONE, STAYS)))
    output = FakeOutput(names=(LEFT, GONE, STAYS), is_unlisted=True)
    after = kept(LOGIN, "f", source, output)
    fleet.apply([before])
    async with running(fleet):
        await edge.notebook.until(facts.RoundEnded)
        if not is_restart:
            assert fleet.apply([after]) == {}
    if is_restart:
        fleet = Fleet(edge.world(), {LOGIN: edge.store.kept[LOGIN]})
        assert fleet.apply([after]) == {}
    assert fleet.survey() == {}

    output.names, output.gone, output.is_unlisted = (STAYS,), {GONE}, False
    assert fleet.survey() == {LOGIN: [Place(OUTPUT, LEFT)]}
    assert fleet.survey() == {}

    output.names = ()
    assert fleet.survey() == {}


async def test_who_ceases_to_lead_says_nothing_of_what_it_was_to_be_told() -> None:
    edge = Edge()
    fleet = Fleet(edge.world(), {})
    source = edge.source(edge.issuer())
    output = FakeOutput(names=(LEFT, STAYS), is_unlisted=True)
    fleet.apply([kept(LOGIN, "f", source, FakeOutput(names=(LEFT, STAYS)))])
    async with running(fleet):
        await edge.notebook.until(facts.RoundEnded)
        fleet.apply([kept(LOGIN, "f", source, output)])
    fleet.close()

    output.names, output.is_unlisted = (STAYS,), False

    assert fleet.survey() == {}


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

    fleet.cleared(LOGIN, Place(OUTPUT, LEFT))

    assert fleet.known(LOGIN, LEFT) == ()
    assert fleet.states == []


HERE, THERE, NEW = (OutputName(name) for name in ("here", "there", "new"))
"""Outputs into one cluster, into another, and into either."""


def delivering(edge: Edge, *outputs: tuple[OutputName, str]) -> Kept:
    return Kept(
        name=LOGIN,
        fingerprint="f",
        policy=POLICY,
        source=edge.source(edge.issuer()),
        outputs=[FakeOutput(name=name, names=(place,)) for name, place in outputs],
    )


async def test_what_was_left_is_known_from_the_state_before_the_logins_are_kept() -> None:
    edge = Edge()
    fleet = Fleet(edge.world(), {})
    fleet.apply([delivering(edge, (HERE, "ci/push"))])
    async with running(fleet):
        await edge.notebook.until(facts.RoundEnded)
        fleet.apply([delivering(edge, (HERE, "team/push"))])
        await edge.notebook.until(facts.Delivered, 2)
    saved = edge.store.kept[LOGIN]

    assert saved.places == ((HERE, "team/push"),)
    assert Fleet(edge.world(), {LOGIN: saved}).left == {LOGIN: (Place(HERE, "ci/push"),)}


async def left_by(
    before: list[tuple[OutputName, str]],
    after: list[tuple[OutputName, str]],
    *,
    is_restart: bool,
) -> list[Place]:
    """What a change of the configuration is told to leave, and is known to have left."""
    edge = Edge()
    fleet = Fleet(edge.world(), {})
    fleet.apply([delivering(edge, *before)])
    async with running(fleet):
        await edge.notebook.until(facts.RoundEnded)
        told = {} if is_restart else fleet.apply([delivering(edge, *after)])
    if is_restart:
        saved: dict[LoginName, Saved] = {LOGIN: edge.store.kept[LOGIN]}
        fleet = Fleet(edge.world(), saved)
        told = fleet.apply([delivering(edge, *after)])
    places = told.get(LOGIN, [])
    assert sorted(one.place for one in fleet.states[0].left) == sorted(places)
    return places


@pytest.mark.parametrize("is_restart", [False, True])
@pytest.mark.parametrize("place", ["ci/push", "/home/ci/config.json"])
async def test_what_an_output_serves_that_is_called_otherwise_is_not_left(
    place: str, *, is_restart: bool
) -> None:
    assert await left_by([(HERE, place)], [(NEW, place)], is_restart=is_restart) == []


@pytest.mark.parametrize("is_restart", [False, True])
@pytest.mark.parametrize("after", [[], [(HERE, "team/push")]])
async def test_a_secret_is_left_although_another_cluster_has_one_of_its_name(
    after: list[tuple[OutputName, str]], *, is_restart: bool
) -> None:
    both = [(HERE, "ci/push"), (THERE, "ci/push")]
    after = [*after, (THERE, "ci/push")]

    assert await left_by(both, after, is_restart=is_restart) == [Place(HERE, "ci/push")]


@pytest.mark.parametrize("is_restart", [False, True])
async def test_a_secret_that_another_output_has_taken_over_may_be_in_another_cluster(
    *, is_restart: bool
) -> None:
    """While its own output is there, which of the two delivers where is for others to say."""
    after = [(HERE, "team/push"), (NEW, "ci/push")]

    assert await left_by([(HERE, "ci/push")], after, is_restart=is_restart) == [
        Place(HERE, "ci/push")
    ]


@pytest.mark.parametrize("is_restart", [False, True])
async def test_a_file_is_not_left_while_another_output_serves_it(*, is_restart: bool) -> None:
    both = [(HERE, "/a"), (THERE, "/a")]

    assert await left_by(both, [(THERE, "/a")], is_restart=is_restart) == []


async def test_of_secrets_of_one_name_that_one_is_cleared_which_is_told() -> None:
    edge = Edge()
    fleet = Fleet(edge.world(), {})
    fleet.apply([delivering(edge, (HERE, "ci/push"), (THERE, "ci/push"))])
    async with running(fleet):
        await edge.notebook.until(facts.RoundEnded)
        fleet.apply([delivering(edge, (HERE, "team/push"), (THERE, "team/push"))])

        fleet.cleared(LOGIN, Place(HERE, "ci/push"))

        assert fleet.left == {LOGIN: (Place(THERE, "ci/push"),)}
