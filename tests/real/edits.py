"""Somebody else who edits a Docker config beside the daemon, as `docker login` does."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

_ENTRIES = 20
_PAUSE_SECONDS = 0.05


@dataclass
class Editor:
    """Reads, changes one of its entries, renames a new file into place; sees what got lost."""

    path: Path
    edits: int = 0
    lost: int = 0
    """Entries that did not hold what was written last; each is counted once."""
    _written: dict[str, object] = field(default_factory=dict)

    def run(self, stop: threading.Event) -> None:
        """Edit until told to stop, then look once more."""
        while not stop.wait(_PAUSE_SECONDS):
            self._edit()
        self._look(json.loads(self.path.read_bytes()))

    def _edit(self) -> None:
        config = json.loads(self.path.read_bytes())
        self._look(config)
        host = f"registry-{self.edits % _ENTRIES}.example"
        config["auths"][host] = self._written[host] = {"auth": "", "number": self.edits}
        new = self.path.with_name(f"{self.path.name}{os.getpid()}")
        new.touch(mode=0o600)
        new.write_text(json.dumps(config, indent="\t"))
        new.replace(self.path)
        self.edits += 1

    def _look(self, config: dict[str, dict[str, object]]) -> None:
        entries = config["auths"]
        for host in [host for host, value in self._written.items() if entries.get(host) != value]:
            del self._written[host]
            self.lost += 1
