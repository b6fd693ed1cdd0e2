"""Every place of a login, in a mapping that never changes and whose changed copies cost little."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, ValuesView
from typing import Final, Self

from lightkeeper.core.credential import Credential
from lightkeeper.core.facts import Place
from lightkeeper.core.place import PlaceState


class Places(Mapping[Place, PlaceState]):
    """What is known of each place, in order of configuration.

    A copy with one place changed shares all but the few that were changed since the last whole
    copy: of ten thousand places a hundred at the most.
    """

    __slots__ = ("_changed", "_whole")

    def __init__(
        self, whole: dict[Place, PlaceState], changed: dict[Place, PlaceState] | None = None
    ) -> None:
        self._whole = whole
        self._changed = changed or {}

    @classmethod
    def of(cls, places: Iterable[PlaceState]) -> Self:
        """These places."""
        return cls({one.place: one for one in places})

    def with_one(self, place: PlaceState) -> Places:
        """The same with what is known of one of them now."""
        changed = {**self._changed, place.place: place}
        if len(changed) ** 2 < len(self._whole):
            return Places(self._whole, changed)
        return Places({**self._whole, **changed})

    def __getitem__(self, place: Place) -> PlaceState:
        known = self._changed.get(place)
        return self._whole[place] if known is None else known

    def __iter__(self) -> Iterator[Place]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)

    def __contains__(self, place: object) -> bool:
        return place in self._whole

    def values(self) -> ValuesView[PlaceState]:
        """What is known of each, in one sweep."""
        return ({**self._whole, **self._changed} if self._changed else self._whole).values()

    def all_hold(self, credential: Credential | None) -> bool:
        """Whether the credential was read back from each.

        Asked from the last one on: a round comes there at its end, and so asks little until then.
        """
        return all(self[name].holds(credential) for name in reversed(self._whole))


NO_PLACES: Final = Places({})
