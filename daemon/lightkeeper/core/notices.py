"""All that may be said of a place beside how it stands: its word, its sentence, its level.

None of it keeps a credential from being there. The word is the same in log, status, documents and
tests. Adding one is a changelog line, renaming one a breaking change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct


@unique
class Notice(StrEnum):
    """The closed list; `NOTICES` says what each means."""

    HELPER_SHADOWS = "helper_shadows"
    STORE_SHADOWS = "store_shadows"
    EMPTY_HELPER = "empty_helper"
    SHADOWING_ENTRY = "shadowing_entry"
    BROKEN_FOREIGN_ENTRY = "broken_foreign_entry"
    UNUSABLE_SECTION = "unusable_section"
    WIDE_MODE = "wide_mode"
    EDIT_KEPT = "edit_kept"
    PATH_ENTRY_RENEWED = "path_entry_renewed"

    BYTE_ORDER_MARK = "byte_order_mark"
    AUTHS_FOLDED = "auths_folded"
    SECTIONS_LOST = "sections_lost"
    HARD_LINK = "hard_link"
    ALIAS_REMOVED = "alias_removed"
    FIRST_ENTRY = "first_entry"


NO_NOTICES: Final[frozenset[Notice]] = frozenset()
"""The one that most places have: each other empty set takes 216 bytes."""

Level = Literal["info", "warning"]


class Noted(Struct, frozen=True, kw_only=True):
    """What a notice means to people."""

    advice: str
    """One sentence: what was found, what it means and, if anything, what to do."""
    level: Level = "warning"
    lasts: bool = False
    """Whether each look at the place finds it again, until somebody mends it."""


NOTICES: Final[Mapping[Notice, Noted]] = MappingProxyType(
    {
        Notice.HELPER_SHADOWS: Noted(
            advice="credHelpers names a helper for our registry, and every client asks that one"
            " in place of our entry; take our registry out of credHelpers.",
            lasts=True,
        ),
        Notice.STORE_SHADOWS: Noted(
            advice="credsStore names a helper, and docker, buildx, crane, kaniko, oras and"
            " docker-py ask that one in place of our entry (podman, buildah and skopeo do not);"
            " take it out, or let pushes use a Docker config of their own.",
            lasts=True,
        ),
        Notice.EMPTY_HELPER: Noted(
            advice="credHelpers names an empty helper for our registry: docker uses our entry, but"
            " podman, buildah and skopeo fail, and crane, oras and docker-py ask credsStore where"
            " it is set; take our registry out of credHelpers, and credsStore out of the file.",
            lasts=True,
        ),
        Notice.SHADOWING_ENTRY: Noted(
            advice="An entry for a longer spelling of our registry is there and stays; some clients"
            " may take it in place of ours; remove it if nobody needs it.",
            lasts=True,
        ),
        Notice.BROKEN_FOREIGN_ENTRY: Noted(
            advice="An entry of another registry cannot be read, and stays: crane, kaniko and"
            " docker-py fail because of it for ours too, docker may; log in there again, or remove"
            " it.",
            lasts=True,
        ),
        Notice.UNUSABLE_SECTION: Noted(
            advice="A setting beside the entries has the wrong type, and stays: docker sends no"
            " credential because of it, and crane fails; correct it, or remove it.",
            lasts=True,
        ),
        Notice.WIDE_MODE: Noted(
            advice="Others than its owner may read or write this file, which is for passwords;"
            " chmod 600 it, or set file_mode if its group is meant to push.",
            lasts=True,
        ),
        Notice.EDIT_KEPT: Noted(
            advice="A crash caught somebody's edit of this file in the middle; it is kept beside"
            " it, as a hidden file with .lightkeeper in its name: look what of it is missing here,"
            " then remove it.",
            lasts=True,
        ),
        Notice.PATH_ENTRY_RENEWED: Noted(
            advice="An entry for the repository itself (/sr) is there, which podman, skopeo and"
            " crane prefer to ours; it is kept fresh as well.",
            level="info",
            lasts=True,
        ),
        Notice.BYTE_ORDER_MARK: Noted(
            advice="The file began with a byte order mark, with which no client reads it; it was"
            " taken off; look for the editor or script that puts it there.",
        ),
        Notice.AUTHS_FOLDED: Noted(
            advice="The file had auths more than once or in another case, which clients read"
            " differently; now it has one, with the entries of all.",
        ),
        Notice.SECTIONS_LOST: Noted(
            advice="Settings beside the entries are gone since the last delivery, as after a podman"
            " login into this file; put back what is missed, and give podman a file of its own.",
        ),
        Notice.HARD_LINK: Noted(
            advice="The file had another name (a hard link), under which the old content stays;"
            " make that name a symbolic link, or an output of its own.",
        ),
        Notice.ALIAS_REMOVED: Noted(
            advice="Another spelling of our registry had an entry, which clients take by chance; it"
            " was removed.",
            level="info",
        ),
        Notice.FIRST_ENTRY: Noted(
            advice="Our entry is the file's first: if docker uses this file, it keeps logins there"
            " from now on, and looks for a keychain of the system no more, unless credsStore names"
            " one.",
            level="info",
        ),
    }
)
"""What each notice means; those that last come first, the worst of them at the top."""


def gravest(notices: Collection[Notice]) -> Level | None:
    """The level of the gravest of them; None if there is none."""
    levels = {NOTICES[notice].level for notice in notices}
    return "warning" if "warning" in levels else "info" if levels else None


def ordered(notices: Collection[Notice]) -> tuple[Notice, ...]:
    """The notices in the order of the table, the worst first."""
    return tuple(notice for notice in NOTICES if notice in notices)
