"""Nothing that people or programs can see of a daemon at DEBUG shows a password.

The simulator marks every password, and the AWS secret key, with `simulated-` at its start.
"""

from __future__ import annotations

import base64
import signal
from pathlib import Path

import pytest

from tests.integration.process import Daemon, Simulated, command, daemon, eventually, simulator

MARK = "simulated-"
AS_BASIC_AUTH = base64.b64encode(f"AWS:{MARK}".encode()).decode()[:18]
LEAKING = (
    *("cut_json", "username_colon", "password_control", "registry_malformed", "gzip"),
    *("expires_garbage", "expires_past", "expires_list", "InvalidClientTokenId", "html"),
)
"""Answers that hold a password and cannot be believed, and some that make the library talk."""
BEGUN = {"json": "attempt_started", "console": "asks Lightsail"}
FAILED = {"json": "renewal_failed", "console": "renewal failed"}
"""What the log calls it, in each form."""


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_marked_password_is_nowhere_to_be_seen_at_debug(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "host"
    with simulator(tmp_path, "--lifetime", "4") as lightsail:
        arguments = ("--docker-config", str(folder / "config.json"), "--log-level", "debug")
        with daemon(folder, lightsail.environment, *arguments, "--log-format", form) as running:
            eventually("a first credential", lambda: running.auth(lightsail.registry))
            for name in LEAKING:
                fail_once(running, lightsail, name, BEGUN[form])
            running.signal(signal.SIGHUP)
            running.signal(signal.SIGUSR1)
            eventually(
                "a renewal", lambda: lightsail.accepts(running.auth(lightsail.registry) or "")
            )
            password = running.password(lightsail.registry)
            seen = visible(running, lightsail)
            environment = Path(f"/proc/{running.process.pid}/environ").read_text()
        seen["log"] = "".join(running.raw)

    assert password.startswith(MARK)
    assert FAILED[form] in seen["log"]
    assert BEGUN[form] in seen["log"], "debug is on"
    for where, text in seen.items():
        assert text, where
        for secret in (MARK, AS_BASIC_AUTH, password[100:140]):
            assert secret not in text, where
    assert password[100:140] not in environment


def fail_once(running: Daemon, lightsail: Simulated, name: str, begun: str) -> None:
    """Let an attempt meet the fault; a person's wish is not held up by earlier failures."""
    lightsail.order("faults", {"name": name})
    before = "".join(running.raw).count(begun)
    running.signal(signal.SIGUSR1)
    eventually(name, lambda: "".join(running.raw).count(begun) > before, running.raw)


def visible(running: Daemon, lightsail: Simulated) -> dict[str, str]:
    """Whatever can be asked of the daemon, and how it was started."""
    folder = running.folder
    socket = ("--socket", str(folder / "control.sock"))
    asked = command(folder, lightsail.environment, "status", "--json", *socket)
    told = command(folder, lightsail.environment, "status", *socket)
    pages = ("/metrics", "/status", "/readyz?places=all", "/") if running.lines else ()
    return {
        **{page: running.get(page)[1] for page in pages},
        "status --json": asked.stdout + asked.stderr,
        "status": told.stdout + told.stderr,
        "argv": Path(f"/proc/{running.process.pid}/cmdline").read_text(),
    }
