"""The mapping of all places behaves like a dict that is copied whole at each change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightkeeper.core.facts import Place
from lightkeeper.core.place import PlaceState
from lightkeeper.core.places import Places
from tests.core.making import OUTPUT, a_credential

NAMES = [f"/{number}" for number in range(30)]


def place_named(name: str) -> Place:
    return Place(output=OUTPUT, name=name)


def a_place(name: str, repairs: int = 0) -> PlaceState:
    return PlaceState(place=place_named(name), repairs=repairs)


@given(
    st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 9))),
)
def test_it_is_the_dict_that_it_stands_for(
    names: list[str], changes: list[tuple[int, int]]
) -> None:
    places = first = Places.of(map(a_place, names))
    model = {one.place: one for one in map(a_place, names)}
    untouched = dict(model)

    for number, repairs in changes:
        changed = a_place(names[number % len(names)], repairs)
        places = places.with_one(changed)
        model = {**model, changed.place: changed}

        assert dict(places) == model
        assert list(places) == list(model)
        assert list(places.values()) == list(model.values())
    assert dict(first) == untouched
    assert len(places) == len(model)
    assert Place(output=OUTPUT, name="/missing") not in places


def test_of_ten_thousand_places_few_are_copied_at_a_change() -> None:
    places = Places.of(a_place(f"/{number}") for number in range(10_000))
    shared = 0
    for number in range(1_000):
        before, places = places, places.with_one(a_place(f"/{number}", 1))
        shared += before._whole is places._whole  # noqa: SLF001 - what it costs is the point

    assert shared == 990


@given(st.lists(st.booleans()))
def test_all_hold_where_each_does(holding: list[bool]) -> None:
    held = a_credential()
    places = Places.of(
        PlaceState(place=one, is_read=True, settled=holds, digest=held.digest)
        for one, holds in zip(map(place_named, NAMES), holding, strict=False)
    )

    assert places.all_hold(held) == all(holding[: len(NAMES)])


def test_that_all_hold_is_asked_of_what_they_are_now() -> None:
    held = a_credential()
    places = Places.of(map(a_place, NAMES))
    for name in reversed(NAMES):
        assert not places.all_hold(held)
        places = places.with_one(
            PlaceState(place=place_named(name), is_read=True, settled=True, digest=held.digest)
        )

    assert places.all_hold(held)
    assert not places.all_hold(a_credential("other"))
