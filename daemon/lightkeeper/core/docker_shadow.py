"""Whom clients ask in place of our entry: the credential helpers that a Docker config names.

What each client does about which was measured with the clients themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from lightkeeper.core.json_document import Member
from lightkeeper.core.notices import Notice


def shadows(sections: Sequence[Member], host: str) -> set[Notice]:
    """What these sections of a document mean for the entry of `host`.

    A helper of the host itself goes before the store of all. Only the bare host counts as its key,
    except to crane, and an empty one opts out of the store, except to crane and docker-py.
    """
    store, helpers = _named(sections)
    match helpers.get(host):
        case "":
            return {Notice.EMPTY_HELPER}
        case str():
            return {Notice.HELPER_SHADOWS}
        case _:
            return {Notice.STORE_SHADOWS} if store else set()


def _named(sections: Sequence[Member]) -> tuple[str, dict[str, object]]:
    """The store of all hosts, and the helper of each, as docker reads them.

    That is in any case of the key; of several the last counts, of objects all are merged.
    """
    store, helpers = "", dict[str, object]()
    for section in sections:
        match section.key.casefold(), section.value:
            case "credsstore", str(name):
                store = name
            case "credhelpers", dict(names):
                helpers |= names
            case "credhelpers", None:
                helpers = {}
            case _:
                pass
    return store, helpers
