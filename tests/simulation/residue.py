"""The judge of what is left where nothing should be: temp files, descriptors, tasks.

A temp file of ours may stand only while it is being written, or where a call on it just failed: the
next work on the file sweeps it away. Under such a name somebody's edit may stay, which a crash
caught between swap and undo.
"""

from __future__ import annotations

import asyncio
import stat
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lightkeeper.core.state import LoginState
from tests.fakes.disk import Disk, Inode

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


class Residue:
    """Looks behind the daemon."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._foreign = set[Inode]()

    def edited(self, path: str) -> None:
        """Somebody else wrote the file."""
        self._foreign.add(self._machine.inode(path))

    def worked(self, disk: Disk, path: str, *, flawless: bool) -> None:
        """Work on a file came to its end; `flawless` if none of its calls failed."""
        if count := disk.open_files():
            self._blame(f"{count} descriptors are open after work on {path}")
        if not flawless:
            return
        directory, _, name = path.rpartition("/")
        for other, inode in disk.add_dir(directory).names.items():
            if other.startswith(f".{name}.lightkeeper.") and not self._is_edit(other, inode):
                self._blame(f"{other} is left in {directory}")

    def judge_rest(self) -> None:
        """Where the daemon has nothing to do, it has no task but those that wait for a bell."""
        machine = self._machine
        if machine.is_busy or machine.fleet is None or _is_beginning(machine.fleet.states):
            return
        tasks = asyncio.all_tasks(machine.loop) - {asyncio.current_task(machine.loop)}
        names = Counter(task.get_name() for task in tasks)
        names -= Counter(["daemon", *(f"keep:{name}" for name in machine.lightsails)])
        if names:
            self._blame(f"at rest there are tasks: {', '.join(sorted(names))}")

    def _is_edit(self, name: str, inode: Inode) -> bool:
        """Whether it is somebody's edit, hidden from others, and not the file that was read."""
        was_read = f".{inode.number:x}-{inode.mtime_ns:x}-" in name
        is_hidden = stat.S_IMODE(inode.mode) == 0o600
        return inode in self._foreign and is_hidden and not was_read

    def _blame(self, what: str) -> None:
        self._machine.judge.blame(f"residue: {what}")


def _is_beginning(states: Sequence[LoginState]) -> bool:
    """Whether a step has been told of whose task may not have had its first turn yet."""
    return any(
        state.renewing or state.verifying or any(place.busy for place in state.places.values())
        for state in states
    )
