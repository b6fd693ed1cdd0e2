"""What is kept, where no daemon is asked; what cannot be read of it is said."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lightkeeper.cli import settings
from lightkeeper.cli.words import cannot

if TYPE_CHECKING:
    from lightkeeper.config.model import Config
    from lightkeeper.core.facts import LoginName
    from lightkeeper.core.file_failure import FileFailure


def is_for_its_user(args: argparse.Namespace, command: str, config: Config) -> bool:
    """Whether the state is another user's and this is root, who is told how to be that user."""
    owner = settings.owner_of(str(config.state_dir))
    if os.geteuid() != 0 or not owner:
        return False
    names = getattr(args, "logins", [])
    line = settings.whole(args, config, command, *names)
    cannot(command, f"{config.state_dir} belongs to another user; run it as that one: {line}")
    return True


def document(args: argparse.Namespace, command: str, config: Config) -> dict[str, Any] | None:
    """The status document by what is kept; None if the state directory cannot be read."""
    if is_for_its_user(args, command, config):
        return None
    from lightkeeper import app
    from lightkeeper.core.file_failure import FileFailure
    from lightkeeper.core.status import as_document

    try:
        return as_document(app.stored(config, unreadable(command, "it costs one call")))
    except FileFailure as exc:
        cannot(command, f"the state directory cannot be read: {said(exc)}")
        return None


def said(failure: FileFailure) -> str:
    """What keeps the state directory from being used, and what to do."""
    from lightkeeper.core.reasons import STORE

    return f"{failure.detail}\n  {STORE[failure.reason].advice}"


def unreadable(command: str, means: str) -> Callable[[LoginName, str], None]:
    """What says that a saved state cannot be used, and what that means."""

    def say(login: LoginName, detail: str) -> None:
        cannot(command, f"the state of {login} cannot be used ({detail}): {means}")

    return say
