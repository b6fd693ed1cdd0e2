"""Watch Lightkeeper at work: a simulated Lightsail whose credentials live a minute.

Nothing of AWS is needed, and no other host is asked. A Docker config is kept at demo/config.json.
Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightkeeper.cli import settings
from lightkeeper.cli.main import DONE, FAILED, MISUSED
from lightkeeper.cli.words import cannot, in_words, is_painted
from lightkeeper.config.load import Loaded
from lightkeeper.config.problem import ConfigErrors

if TYPE_CHECKING:
    from lightkeeper.daemon import Daemon

_NOT_OURS: Final = ("AWS_", "LIGHTKEEPER_")
"""Variables that would lead the demo away from its simulator."""
_MARK: Final = ".lightkeeper-demo"
"""Makes a folder the demo's: without it, what is there is somebody's."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--dir", type=Path, default=Path("demo"), help="where it writes (demo/)")
    parser.add_argument("--listen", default="127.0.0.1:0", help="for metrics (127.0.0.1, any port)")
    parser.add_argument(
        "--lifetime", type=float, default=60, metavar="SECONDS", help="of a credential (60)"
    )
    parser.add_argument("--plain", action="store_true", help="log, on a terminal too")


class NotOursError(Exception):
    """The folder holds what no demo put there; the message is its path."""


def run(args: argparse.Namespace) -> int:
    """Run simulator and daemon until stopped."""
    from lightkeeper.adapters.state_dir import StateDirTakenError
    from lightkeeper.core.file_failure import FileFailure
    from lightkeeper.simulator import SetupError

    if not _SHORTEST <= args.lifetime <= _LONGEST:
        cannot("demo", f"--lifetime is {_SHORTEST} to {_LONGEST} seconds")
        return MISUSED
    try:
        asyncio.run(_demo(args))
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    except NotOursError as exc:
        cannot("demo", f"{exc} is not empty, and no demo made it; name a new folder with --dir")
        return MISUSED
    except StateDirTakenError as exc:
        where = f"runs in {args.dir.absolute()}; end it, or give this one a --dir of its own"
        cannot("demo", f"another demo (process {exc}) {where}")
        return FAILED
    except (SetupError, FileFailure) as exc:
        cannot("demo", f"cannot start: {exc}")
        return FAILED
    except OSError as exc:
        cannot("demo", f"cannot start: {in_words(exc)}")
        return FAILED
    return DONE


_SHORTEST: Final = 10
_LONGEST: Final = 86_400


async def _demo(args: argparse.Namespace) -> None:
    from lightkeeper import app
    from lightkeeper.simulator import Settings, simulate

    folder = _own(args.dir.absolute())
    lifetime = timedelta(seconds=args.lifetime)
    async with simulate(Settings(lifetime=lifetime)) as simulator:
        _enter(simulator.environment())
        load = _loader(simulator.endpoint_url, args.listen, folder)
        loaded = load()
        sys.stdout.write(f"Docker config: {folder / 'config.json'}\n")
        if is_painted() and not args.plain:
            await _live(loaded, load)
        else:
            await app.run(loaded, load=load, log=sys.stdout, began=_end_with_the_terminal)


def _own(folder: Path) -> Path:
    """The folder, made if it is missing; `NotOursError` if it holds anything and no mark of ours.

    What an earlier demo held there may stay: it came from another endpoint, so the login starts
    anew and takes the old entry out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / _MARK
    if not mark.exists() and any(folder.iterdir()):
        raise NotOursError(str(folder))
    mark.touch()
    return folder


async def _live(loaded: Loaded, load: Callable[[], Loaded]) -> None:
    """With a picture in place of the log."""
    from lightkeeper import app
    from lightkeeper.cli.screen import Screen

    screen = Screen()

    def began(daemon: Daemon) -> None:
        _end_with_the_terminal(daemon)
        screen.show(daemon)

    with open(os.devnull, "w", encoding="utf-8") as nowhere, screen.showing():  # noqa: ASYNC230, PTH123
        await app.run(loaded, load=load, log=nowhere, began=began)


def _end_with_the_terminal(daemon: Daemon) -> None:
    """A demo has nothing to reload: when its terminal is closed, nobody watches."""
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.add_signal_handler, signal.SIGHUP, daemon.stop)  # after the daemon's own


def _enter(environment: dict[str, str]) -> None:
    """Let AWS's library find the simulator, and nothing else."""
    for name in tuple(os.environ):
        if name.startswith(_NOT_OURS):
            del os.environ[name]
    os.environ.update(environment, AWS_EC2_METADATA_DISABLED="true")
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)


def _loader(endpoint_url: str, listen: str, folder: Path) -> Callable[[], Loaded]:
    flags = argparse.Namespace(
        config=os.devnull,
        docker_config=[str(folder / "config.json")],
        state_dir=str(folder / "state"),
        socket=str(folder / "control.sock"),
        listen=listen,
        region="eu-central-1",
        endpoint_url=endpoint_url,
    )
    return settings.loader(flags)
