"""What is kept, where no daemon is asked; what cannot be read of it is said."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lightkeeper.cli import settings
from lightkeeper.cli.words import cannot

if TYPE_CHECKING:
    from lightkeeper.adapters.state_dir import StateDirTakenError
    from lightkeeper.config.model import Config
    from lightkeeper.core.facts import LoginName
    from lightkeeper.core.file_failure import FileFailure
    from lightkeeper.ports import Failed
    from lightkeeper.viewing import Unread


def is_for_its_user(args: argparse.Namespace, command: str, config: Config) -> bool:
    """Whether the state is another user's and this is root, who is told how to be that user."""
    owner = settings.owner_of(str(config.state_dir))
    if os.geteuid() != 0 or not owner:
        return False
    asked = ["--online"] if getattr(args, "online", False) else []
    line = settings.whole(args, config, command, *getattr(args, "logins", []), *asked)
    cannot(command, f"{config.state_dir} belongs to another user; run it as that one: {line}")
    return True


def document(
    args: argparse.Namespace, command: str, config: Config, unread: Unread | None = None
) -> dict[str, Any] | None:
    """The status document by what is kept; None if that cannot be read, which is said.

    Who is told it by `unread` goes on with a document of logins of which nothing is kept.
    """
    if is_for_its_user(args, command, config):
        return None
    from lightkeeper import viewing
    from lightkeeper.core.file_failure import FileFailure
    from lightkeeper.core.status import as_document

    def failed(exc: FileFailure) -> None:
        cannot(command, f"{_named(config)} cannot be read: {said(exc)}")
        if unread is None:
            raise exc
        unread(exc)

    try:
        return as_document(viewing.stored(config, unreadable(command, config), failed))
    except FileFailure:
        return None


def where(config: Config) -> str:
    """Where state is kept, within a sentence; empty if nowhere."""
    if config.state is None:
        return str(config.state_dir)
    return f"the Secret {config.state.secret}" if config.state.secret else ""


def unusable(config: Config, failure: FileFailure | Failed) -> str:
    """That what is kept cannot be used, why, and what to do."""
    return f"{_named(config)} cannot be used: {said(failure)}"


def _named(config: Config) -> str:
    return "the state directory" if config.state is None else where(config)


def said(failure: FileFailure | Failed) -> str:
    """What keeps the state from being used, and what to do."""
    from lightkeeper.core.upkeep import STORE

    return f"{failure.detail}\n  {STORE[failure.reason].advice}"


def unreadable(command: str, config: Config) -> Callable[[LoginName, str], None]:
    """What says that a saved state cannot be used, and what that means."""
    configured = {login.name for login in config.logins}

    def say(login: LoginName, detail: str) -> None:
        if login in configured:
            cannot(command, f"the state of {login} cannot be used ({detail}): it costs one call")
        else:
            cannot(
                command,
                f"{file_of(config, login)} cannot be used ({detail}); no login that is configured"
                " is called so, and it costs nothing: remove it if nobody needs it",
            )

    return say


def file_of(config: Config, login: str) -> str:
    """Where the state of a login is saved."""
    file = f"{login}.json"
    return f"{config.state_dir}/{file}" if config.state is None else f"{file} in {where(config)}"


def owned(config: Config, owner: StateDirTakenError) -> str:
    """Who owns the state directory and cannot be asked; on a full disk it could not say its id."""
    who = f"process {owner}" if str(owner) else "another process"
    return (
        f"{who} owns {config.state_dir}, and nobody answers at {config.socket}; name its socket"
        " with --socket, or wait until it ends"
    )
