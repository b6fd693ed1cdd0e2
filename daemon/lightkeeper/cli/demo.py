"""Watch Lightkeeper at work: a simulated Lightsail whose credentials live a minute.

Nothing of AWS is needed, and no other host is asked. A Docker config is kept at demo/config.json.
Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from lightkeeper.cli import settings
from lightkeeper.cli.main import DONE, FAILED, MISUSED
from lightkeeper.config.load import Loaded
from lightkeeper.config.problem import ConfigErrors

_NOT_OURS: Final = ("AWS_", "LIGHTKEEPER_")
"""Variables that would lead the demo away from its simulator."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--dir", type=Path, default=Path("demo"), help="where it writes (demo/)")
    parser.add_argument("--listen", default="127.0.0.1:0", help="for metrics (127.0.0.1, any port)")
    parser.add_argument(
        "--lifetime", type=float, default=60, metavar="SECONDS", help="of a credential (60)"
    )
    parser.add_argument("--plain", action="store_true", help="log, on a terminal too")


def run(args: argparse.Namespace) -> int:
    """Run simulator and daemon until stopped."""
    from lightkeeper.simulator import SetupError

    if args.lifetime < _SHORTEST:
        sys.stderr.write(f"lightkeeper demo: --lifetime is {_SHORTEST} seconds or more\n")
        return MISUSED
    try:
        asyncio.run(_demo(args))
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    except (SetupError, OSError) as exc:
        sys.stderr.write(f"lightkeeper demo: cannot start: {exc}\n")
        return FAILED
    return DONE


_SHORTEST: Final = 10


async def _demo(args: argparse.Namespace) -> None:
    from lightkeeper import app
    from lightkeeper.simulator import Settings, simulate

    folder = args.dir.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    # What an earlier demo held is of a simulator that is gone.
    (folder / "config.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "state", ignore_errors=True)
    lifetime = timedelta(seconds=args.lifetime)
    async with simulate(Settings(lifetime=lifetime)) as simulator:
        _enter(simulator.environment())
        load = _loader(args.listen, folder)
        loaded = load()
        sys.stdout.write(f"Docker config: {folder / 'config.json'}\n")
        if sys.stdout.isatty() and not args.plain:
            await _live(loaded, load)
        else:
            await app.run(loaded, load=load, log=sys.stdout)


async def _live(loaded: Loaded, load: Callable[[], Loaded]) -> None:
    """With a picture in place of the log."""
    from lightkeeper import app
    from lightkeeper.cli.screen import Screen

    screen = Screen()
    with open(os.devnull, "w", encoding="utf-8") as nowhere, screen.showing():  # noqa: ASYNC230, PTH123
        await app.run(loaded, load=load, log=nowhere, began=screen.show)


def _enter(environment: dict[str, str]) -> None:
    """Let AWS's library find the simulator, and nothing else."""
    for name in tuple(os.environ):
        if name.startswith(_NOT_OURS):
            del os.environ[name]
    os.environ.update(environment, AWS_EC2_METADATA_DISABLED="true")
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)


def _loader(listen: str, folder: Path) -> Callable[[], Loaded]:
    flags = argparse.Namespace(
        config=os.devnull,
        docker_config=[str(folder / "config.json")],
        state_dir=str(folder / "state"),
        socket=str(folder / "control.sock"),
        listen=listen,
        region="eu-central-1",
    )
    return settings.loader(flags)
