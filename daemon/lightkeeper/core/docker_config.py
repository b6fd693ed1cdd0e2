"""A Docker config document: bytes in, bytes out, our entries changed.

It is what `docker login` writes: an entry for each registry under `auths`. Knows neither files nor
Secrets.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from lightkeeper.core.credential import Credential, Digest, RegistryHost
from lightkeeper.core.docker_entry import Form, aim, digest_in, is_broken
from lightkeeper.core.docker_schema import SECTIONS, fits
from lightkeeper.core.docker_shadow import shadows
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.json_document import Layout, Member, read
from lightkeeper.core.notices import Notice
from lightkeeper.core.reasons import Reason

MAX_BYTES: Final = 1 << 20
"""The config of a hundred registries has a tenth of it."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MENDED: Final = frozenset({Notice.BYTE_ORDER_MARK, Notice.AUTHS_FOLDED})
"""What `parse` finds and any write mends."""


class Document(Struct, frozen=True, kw_only=True, eq=False):
    """A Docker config as it is to be; printed, it shows nothing of its content."""

    __repr__ = object.__repr__

    before: tuple[Member, ...]
    """The sections before `auths`; all of them if there is none."""
    entries: tuple[Member, ...]
    """Of every `auths`, in order: of two with the same key the later counts, for all clients."""
    after: tuple[Member, ...]
    layout: Layout
    tail: str
    notices: frozenset[Notice]
    is_changed: bool = False

    @property
    def data(self) -> bytes | None:
        """What is to be written; None if nothing changed.

        `FileFailure` if it would be too large to be read again.
        """
        if not self.is_changed:
            return None
        auths = self.layout.member("auths", self.layout.join(self.entries, 2), None)
        text = self.layout.join([*self.before, auths, *self.after], 1) + self.tail
        return _bounded(text.encode(errors="surrogateescape"))

    def holds(self, host: RegistryHost) -> Digest | None:
        """Of what clients would use for `host`; None if there is nothing that they could.

        That is the bare key, or without it any other that names the host alone.
        """
        for entry in reversed(self.entries):
            if entry.key == host:
                return digest_in(entry.value)
        beside = (digest_in(entry.value) for entry in self.entries if _is_beside(entry, host))
        return next((digest for digest in beside if digest), None)

    def foreign(self, host: RegistryHost, ours: Collection[Digest]) -> bool:
        """Whether `put` would overwrite or remove an entry for `host` that is none of `ours`.

        An entry that is null, `{}` or not even an object is nobody's.
        """
        return any(
            _is_foreign(entry, ours)
            for entry in self.entries
            if entry.key == host or _is_beside(entry, host)
        )

    def is_taken(self, host: RegistryHost, ours: Collection[Digest]) -> bool:
        """Whether what clients would use for `host` is none of `ours`.

        Beside a bare entry of ours others may stand: clients use ours.
        """
        bare = [entry for entry in self.entries if entry.key == host]
        if bare and digest_in(bare[-1].value) in ours:
            return False
        return self.foreign(host, ours)


def parse(data: bytes | None) -> Document:
    """Read a Docker config; None, white space and `null` are an empty one.

    `FileFailure` for what some client could not read, or is longer than `MAX_BYTES`.
    """
    marked = _bounded(data or b"")
    bare = marked.removeprefix(_BYTE_ORDER_MARK)
    root = read(bare.decode(errors="surrogateescape").replace("\r\n", "\n"))
    sections = root.members
    auths = [section for section in sections if _is_auths(section)]
    if not all(isinstance(section.value, dict | None) for section in auths):
        raise FileFailure(Reason.MALFORMED, "its auths is not an object")
    notices = set()
    if bare != marked:
        notices.add(Notice.BYTE_ORDER_MARK)
    if [section.key for section in auths] not in ([], ["auths"]):
        notices.add(Notice.AUTHS_FOLDED)
    at = sections.index(auths[0]) if auths else len(sections)
    return Document(
        before=sections[:at],
        entries=tuple(entry for section in auths for entry in read(section.text).members),
        after=tuple(section for section in sections[at:] if not _is_auths(section)),
        layout=root.layout,
        tail=root.tail,
        notices=frozenset(notices),
    )


def put(
    document: Document,
    credential: Credential,
    spared: Collection[Digest] | None = None,
) -> Document:
    """The document with an entry for the credential, and none beside it that clients may prefer.

    The entry holds `auth` and nothing else: a token beside it would be sent in its place. Unchanged
    if all is so already. With `spared`, the digests of ours, what stands beside it and holds
    none of them stays as it is.
    """
    host, auth = credential.registry, _auth(credential)
    entries, notices = _renewed(document, host, auth, spared)
    sections = (*document.before, *document.after)
    if not any(entry.key == host for entry in entries):
        if not document.entries and not any(_names_a_helper(each) for each in sections):
            notices.add(Notice.FIRST_ENTRY)
        entries.append(_entry(document.layout, host, auth))
    notices |= shadows(sections, host)
    if any(is_broken(entry.value) for entry in entries):
        notices.add(Notice.BROKEN_FOREIGN_ENTRY)
    if not all(fits(each.value, SECTIONS.get(each.key.casefold())) for each in sections):
        notices.add(Notice.UNUSABLE_SECTION)
    return replace(
        document,
        entries=tuple(entries),
        notices=frozenset(notices),
        is_changed=document.is_changed
        or not _MENDED.isdisjoint(notices)
        or tuple(entries) != document.entries,
    )


def take_out(document: Document, host: RegistryHost, ours: Collection[Digest]) -> Document:
    """The document without those entries for `host`, by whatever key, that hold one of `ours`.

    Unchanged if there is none.
    """
    left = tuple(
        entry
        for entry in document.entries
        if aim(entry.key)[0] != host or digest_in(entry.value) not in ours
    )
    return replace(
        document, entries=left, is_changed=document.is_changed or left != document.entries
    )


def without(document: Document, host: RegistryHost) -> Document:
    """The document without what clients may take for `host`, but for keys of other paths."""
    left = (one for one in document.entries if one.key != host and not _is_beside(one, host))
    return replace(document, entries=tuple(left))


def _is_beside(entry: Member, host: RegistryHost) -> bool:
    """Whether clients may take it for `host` although its key is not the bare one."""
    return aim(entry.key) in ((host, Form.ALIAS), (host, Form.PUSHED))


def _is_foreign(entry: Member, ours: Collection[Digest]) -> bool:
    value = entry.value
    return isinstance(value, dict) and bool(value) and digest_in(value) not in ours


def _renewed(
    document: Document, host: RegistryHost, auth: str, spared: Collection[Digest] | None
) -> tuple[list[Member], set[Notice]]:
    """The entries, those of our host as they should be, and what there is to say of them."""
    entries: list[Member] = []
    notices = set(document.notices)
    met = set()
    for entry in document.entries:
        aimed, form = aim(entry.key)
        if aimed != host:
            entries.append(entry)
        elif form is Form.PATH or _is_spared(entry, form, spared):
            entries.append(entry)
            notices.add(Notice.SHADOWING_ENTRY)
        elif form is Form.ALIAS:
            notices.add(Notice.ALIAS_REMOVED)
        elif entry.key not in met:
            met.add(entry.key)
            is_fresh = entry.value == {"auth": auth}
            entries.append(entry if is_fresh else _entry(document.layout, entry.key, auth))
            if form is Form.PUSHED:
                notices.add(Notice.PATH_ENTRY_RENEWED)
    return entries, notices


def _is_spared(entry: Member, form: Form, ours: Collection[Digest] | None) -> bool:
    return ours is not None and form is not Form.BARE and _is_foreign(entry, ours)


def _auth(credential: Credential) -> str:
    """Standard base64 with its padding: without it, docker is anonymous and the others fail."""
    pair = f"{credential.username}:{credential.password.reveal()}"
    return base64.b64encode(pair.encode(errors="surrogateescape")).decode()


def _entry(layout: Layout, key: str, auth: str) -> Member:
    field = layout.member("auth", f'"{auth}"', auth)
    return layout.member(key, layout.join([field], 3), {"auth": auth})


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise FileFailure(Reason.TOO_LARGE, "it is, or would be, larger than 1 MiB")
    return data


def _is_auths(section: Member) -> bool:
    """Whether docker reads it as `auths`, which it does in any case."""
    return section.key.casefold() == "auths"


def _names_a_helper(section: Member) -> bool:
    return section.key.casefold() in {"credsstore", "credhelpers"} and bool(section.value)
