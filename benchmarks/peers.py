"""What Lightkeeper is compared with: AWS's own command line, and a process that only imports."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIGHTKEEPER = Path(sys.executable).with_name("lightkeeper")
"""The command as it is installed beside the interpreter that runs this."""
_AWS = ROOT / ".venv-aws"
_IMPORTED = re.compile(r"import time: +\d+ \| +\d+ \| +(\S+)")

_IMPORT_AND_WAIT = """
import importlib, sys
sys.modules["rich"] = None
for name in sys.stdin.read().split():
    try:
        importlib.import_module(name)
    except ImportError:
        pass
print("done", flush=True)
import signal
signal.pause()
"""


def awscli() -> Path | None:
    """Awscli v1 of PyPI in an environment of its own, installed if need be; None if it cannot."""
    program = _AWS / "bin" / "aws"
    if program.exists():
        return program
    try:
        venv.create(_AWS, with_pip=True, clear=True)
        subprocess.run(
            [str(_AWS / "bin" / "python"), "-m", "pip", "install", "--quiet", "awscli<2"],
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return program


def libraries(said: str) -> list[str]:
    """The modules, ours excepted, that `-X importtime` says were imported, in that order."""
    names = dict.fromkeys(_IMPORTED.findall(said))
    return [name for name in names if name.partition(".")[0] not in {"lightkeeper", "__main__"}]


@contextmanager
def importing(modules: Sequence[str], environment: Mapping[str, str]) -> Iterator[int]:
    """The id of a process that imports these modules and does nothing else."""
    with subprocess.Popen(
        [sys.executable, "-c", _IMPORT_AND_WAIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(environment),
    ) as process:
        try:
            assert process.stdin is not None  # noqa: S101 - said by the pipes above
            assert process.stdout is not None  # noqa: S101 - the same
            process.stdin.write("\n".join(modules))
            process.stdin.close()
            process.stdout.readline()
            yield process.pid
        finally:
            process.terminate()
