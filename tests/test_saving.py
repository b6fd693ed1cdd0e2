"""The document of a login's state: places in groups, read with and without them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lightkeeper.core.facts import OutputName, Place
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.saved import Saved, put_down
from lightkeeper.saving import read, written
from tests.core.making import LOGIN, at, holding

SAVED = put_down(holding(), fingerprint="f", boot_id="b", now=at())

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
OUTPUTS = st.sampled_from(["kubernetes_secret", "docker_config:/a", ""]) | st.text(
    st.characters(codec="utf-8"), max_size=20
)
ODD = st.text(st.characters(codec="utf-8") | st.sampled_from('/"\\\n\0 .'), max_size=30)
FILES = ODD.map("/{}".format)
SECRETS = st.tuples(NAMES, NAMES | st.just("lightsail-push")).map("/".join)
PLACES = st.lists(st.tuples(OUTPUTS, FILES | SECRETS | ODD), max_size=30, unique=True)


def with_places(places: list[tuple[str, str]]) -> Saved:
    return replace(SAVED, places=tuple(sorted(places)))


@given(PLACES)
def test_any_places_come_back_as_they_were(places: list[tuple[str, str]]) -> None:
    saved = with_places(places)

    assert read(written(saved), LOGIN) == saved


@given(PLACES)
def test_a_document_that_names_each_place_by_itself_is_read(places: list[tuple[str, str]]) -> None:
    """As versions did that knew no groups."""
    document = json.loads(written(SAVED))
    del document["places"]
    document["state"]["places"] = places

    assert read(json.dumps(document).encode(), LOGIN) == with_places(places)


def test_a_version_that_knows_no_groups_finds_the_login_without_places() -> None:
    """It goes on with what is held, and costs no call: the rest of the document is as it was."""
    saved = with_places([("docker_config:/a", "/a"), ("kubernetes_secret", "ci/push")])
    document = json.loads(written(saved))

    known_to_it = {"version": document["version"], "state": document["state"]}

    assert document["version"] == 1
    assert document["state"]["places"] == []
    assert read(json.dumps(known_to_it).encode(), LOGIN) == SAVED


@pytest.mark.parametrize("places", [{}, [1], [{"output": "a"}], [{"output": "a", "names": [1]}]])
def test_groups_that_are_none_are_damage(places: object) -> None:
    document = json.loads(written(SAVED)) | {"places": places}

    with pytest.raises(FileFailure, match="the saved state is damaged"):
        read(json.dumps(document).encode(), LOGIN)


def test_a_secret_costs_the_name_of_its_namespace() -> None:
    """Ten thousand of them share the names of their output and of the Secret."""
    output, secret = OutputName("kubernetes_secret:lightsail-push"), "lightsail-push"
    namespaces = [f"team-payments-{number:04}" for number in range(10_000)]
    places = [Place(output, f"{namespace}/{secret}") for namespace in namespaces]

    grown = len(written(with_places([*map(_pair, places)]))) - len(written(SAVED))

    assert grown < sum(len(namespace) + len('"",') for namespace in namespaces) + 200


def _pair(place: Place) -> tuple[str, str]:
    return place.output, place.name
