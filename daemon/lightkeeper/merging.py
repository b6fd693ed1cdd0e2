"""What deliveries make of a Docker config document, and what a look finds in one.

Knows no files, only what was seen of the one that the document came from.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterable
from typing import Final, assert_never

from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.docker_config import Document, parse, put, take_out, without
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.notices import NOTICES, Notice
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Delivery, Foreign, Found, IfForeign, Stat

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def found(
    document: Document,
    held: Credential,
    spared: Collection[Digest] | None,
    beside: Collection[Notice] = (),
) -> Found:
    """What a document holds for the registry of `held`; see the port. `beside` is said as well."""
    after = put(document, held, spared)
    lasting = {notice for notice in after.notices if NOTICES[notice].lasts}
    return Found(
        digest=document.holds(held.registry),
        settled=not after.is_changed,
        notices=frozenset(lasting.union(beside)),
    )


def foreign(document: Document, delivery: Delivery) -> Foreign | None:
    """What keeps a delivery from a document: a credential there that it may not touch."""
    host, ours = delivery.credential.registry, delivery.ours | delivery.kin
    match delivery.if_foreign:
        case IfForeign.ASK:
            steps_back = document.foreign(host, ours)
        case IfForeign.SPARE:
            steps_back = document.is_taken(host, ours)
        case IfForeign.REPLACE:
            steps_back = False
        case _:
            assert_never(delivery.if_foreign)
    return Foreign(digest=document.holds(host)) if steps_back else None


def delivered(document: Document, delivery: Delivery) -> Document:
    """The document with what a delivery wants in it."""
    ours = delivery.ours | delivery.kin
    spared = ours if delivery.if_foreign is IfForeign.SPARE else None
    after = put(document, delivery.credential, spared)
    for former in delivery.former:
        after = take_out(after, former, delivery.ours)
    return after


def seeded(seed: bytes | None, hosts: Iterable[RegistryHost]) -> Document:
    """What a new file begins with: all of the seed but what clients may take for `hosts`.

    `FileFailure` if it is missing, or nothing that `parse` takes.
    """
    if seed is None:
        raise FileFailure(Reason.UNSAFE_PATH, "there is no such file")
    document = parse(seed)
    for host in hosts:
        document = without(document, host)
    return document


def beside(seen: Stat | None, *, mode: int, has_kept_edits: bool) -> set[Notice]:
    """What is to be said of a file whatever it holds; a new one would have `mode`."""
    said = {Notice.EDIT_KEPT} if has_kept_edits else set()
    if seen is not None and seen.mode & _OTHERS & ~mode:
        said.add(Notice.WIDE_MODE)
    return said
