"""Which namespaces of a cluster are meant: by name, by pattern, by label."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.core.reasons import Reason
from lightkeeper.core.upkeep import NAMESPACES


class Choice(Struct, frozen=True, kw_only=True):
    """What was configured: every namespace is meant that any of these finds."""

    names: tuple[str, ...] = ()
    """These, whether or not they are there."""
    patterns: tuple[str, ...] = ()
    """`*` for any characters, `?` for one."""
    selector: str | None = None
    """A label selector, for the API server."""
    exclude: tuple[str, ...] = ()
    """Names and patterns of those that are left alone, if a pattern or the selector finds them."""

    @classmethod
    def of(cls, namespaces: Iterable[str], selector: str | None, exclude: Iterable[str]) -> Choice:
        """The choice as it is written, names and patterns in one list."""
        written = tuple(namespaces)
        return cls(
            names=tuple(one for one in written if not _is_pattern(one)),
            patterns=tuple(one for one in written if _is_pattern(one)),
            selector=selector,
            exclude=tuple(exclude),
        )

    @property
    def selectors(self) -> tuple[str, ...]:
        """What has to be watched for, empty for every namespace; nothing where all are named."""
        every = ("",) if self.patterns else ()
        return every if self.selector is None else (*every, self.selector)

    def may_mean(self, name: str) -> bool:
        """Whether a namespace may be meant: which have the labels only the API server knows."""
        is_left_alone = _matches(name, self.exclude)
        is_found = self.selector is not None or _matches(name, self.patterns)
        return name in self.names or (is_found and not is_left_alone)

    def of_these(self, every: Collection[str], selected: Collection[str]) -> tuple[str, ...]:
        """The namespaces that are meant, of all there are and of those with the labels, by name."""
        found = {one for one in every if _matches(one, self.patterns)}.union(selected)
        meant = {one for one in found if not _matches(one, self.exclude)}.union(self.names)
        return tuple(sorted(meant))


class Unlisted(Struct, frozen=True, kw_only=True):
    """Why it is not known which namespaces there are; those that were known are served."""

    reason: Reason
    detail: str

    @property
    def advice(self) -> str:
        """What people should do about it."""
        return NAMESPACES[self.reason].advice if self.reason in NAMESPACES else ""

    @property
    def sentence(self) -> str:
        """All of it."""
        said = f"which namespaces there are is not known: {self.detail} ({self.reason})."
        return f"{said} {self.advice}".rstrip()


def none_chosen(output: str) -> str:
    """What is said of an output that chooses none of the namespaces that there are."""
    return (
        f"no namespace is chosen by {output} now: nothing is delivered by it until one is there"
        " that its `namespaces` or `namespace_selector` find; look for a slip in them, or make one"
    )


class Roster(Struct, frozen=True, kw_only=True):
    """The namespaces that a selector finds, as far as lists and watches told."""

    selector: str
    """Empty for every namespace."""
    names: frozenset[str] = frozenset()
    """Without those that are being deleted: nothing can be made in them."""
    ending: frozenset[str] = frozenset()
    """Those that are being deleted, with all that is in them."""

    def seen(self, name: str, *, is_ending: bool) -> Roster:
        """The same with one that is new, or another than before."""
        if is_ending:
            return replace(self, names=self.names - {name}, ending=self.ending | {name})
        return replace(self, names=self.names | {name}, ending=self.ending - {name})

    def lost(self, name: str) -> Roster:
        """The same without one: it is deleted, or has other labels."""
        return replace(self, names=self.names - {name}, ending=self.ending - {name})

    def is_gone(self, name: str) -> bool:
        """Whether a namespace is known to be gone, or to go, with all that is in it.

        False where that is not known: a selector does not tell how it lost one.
        """
        return name in self.ending or (not self.selector and name not in self.names)


def _is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
