"""A file, or what is in it, that cannot be used: raised where it is found, a value further out."""

from __future__ import annotations

from lightkeeper.core.reasons import Reason


class FileFailure(Exception):  # noqa: N818 - a value that is raised, named after what it tells
    """A file could not be read or replaced, or is none of ours to change; it is as it was.

    Nothing that hangs on to it holds any of the file's content.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        """A sentence that quotes nothing of the file."""
