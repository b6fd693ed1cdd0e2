"""The mapping of all places behaves like a dict that is copied whole at each change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightkeeper.core.facts import Place
from lightkeeper.core.place import PlaceState
from lightkeeper.core.places import Places
from tests.core.making import OUTPUT

NAMES = [f"/{number}" for number in range(30)]


def a_place(name: str, repairs: int = 0) -> PlaceState:
    return PlaceState(place=Place(output=OUTPUT, name=name), repairs=repairs)


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
