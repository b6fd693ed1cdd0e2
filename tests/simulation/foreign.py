"""Somebody else at work on our files: logs in and out, as docker does it, or breaks them."""

from __future__ import annotations

import base64
import json
from functools import partial
from random import Random
from typing import Any

from tests.simulation.fate import Event
from tests.simulation.machine import Machine
from tests.simulation.world import MARK

_SEEN_BY_WATCH = 0.8
"""How often inotify tells of an edit; else the poll finds it."""
_POLLED = 80.0
"""Seconds until a poll has found and mended what no watch told."""


class Foreigner:
    """Edits files by rename: reads, changes, renames."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._random: Random = machine.chaos
        self._races = 0

    def befall(self, event: Event) -> None:
        """An edit, as the fate has it."""
        self._machine.met[f"edit_{event.detail}"] += 1
        path = self._random.choice(self._machine.paths)
        if event.detail != "race":
            self.edit(path, event.detail)
            self._told(path)
            return
        # An entry is taken out, and when it is being put back others write as well.
        self._races = self._random.randrange(1, 4)
        self._machine.before_swap = self._race
        self.edit(path, "logout")

    def edit(self, path: str, kind: str) -> None:
        """Rewrite a file."""
        before = self._machine.disk.content(path)
        if kind == "malformed":
            self._break(path, before)
            return
        document: dict[str, Any] = json.loads(before) if _is_json(before) and before else {}
        self._change(document, kind)
        indent = self._random.choice((None, 2, "\t"))
        self._write(path, json.dumps(document, indent=indent).encode(), kind)

    def _race(self) -> None:
        self._races -= 1
        if not self._races:
            self._machine.before_swap = None
        self._machine.met["race_met"] += 1
        self.edit(self._random.choice(self._machine.paths), "login_elsewhere")

    def _told(self, path: str) -> None:
        if self._random.random() < _SEEN_BY_WATCH:
            self._machine.touched(path)

    def _change(self, document: dict[str, Any], kind: str) -> None:
        auths = document.setdefault("auths", {})
        name = self._random.choice(sorted(self._machine.lightsails))
        host = self._machine.lightsails[name].host
        match kind:
            case "login_elsewhere":
                # No base64, as some tools write it: it stays as it is, and is not shown either.
                auth = f"{MARK} {self._random.random():.9f}"
                auths[f"r{self._random.randrange(3)}.test"] = {"auth": auth}
            case "logout":
                auths.pop(host, None)
            case "login_ours":
                auths[host] = _entry("none of ours")
            case "revert":
                old = self._machine.judge.old_entry(host)
                if old is not None:
                    auths[host] = {"auth": old}
            case "alias":
                auths[f"https://{host}/v1/"] = _entry("alias")
            case _:
                document["HttpHeaders"] = {"n": self._random.randrange(9)}

    def _break(self, path: str, before: bytes | None) -> None:
        """Half a document, until its owner mends it."""
        end = self._machine.judge.wrong(f"file {path}", "malformed")
        self._write(path, b'{"auths": {', "malformed")
        data = before if before is not None and _is_json(before) else b"{}"

        def mend() -> None:
            self._write(path, data, "mended")
            end()
            self._machine.stir()

        self._machine.loop.call_later(self._random.uniform(30, 4000), partial(mend))

    def _write(self, path: str, data: bytes, kind: str) -> None:
        self._machine.disk.add_file(path, data)
        self._machine.stir(_POLLED)
        self._machine.judge.edited(path, data, kind)


def _is_json(data: bytes | None) -> bool:
    try:
        json.loads(data or b"")
    except ValueError:
        return False
    return True


def _entry(what: str) -> dict[str, str]:
    """Somebody else's login; its password must not be seen either."""
    return {"auth": base64.b64encode(f"foreign:{MARK} {what}".encode()).decode()}
