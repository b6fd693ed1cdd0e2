"""Whatever fails, at DEBUG: a password is nowhere but in the state and in the place asked for.

The simulator marks every password, and the AWS secret key, with `simulated-` at its start.
"""

from __future__ import annotations

import base64
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from lightkeeper.simulator.faults import FAULTS
from lightkeeper.simulator.wire import End, Stage
from tests.integration.process import Daemon, Simulated, daemon, eventually, simulator
from tests.integration.test_canary import MARK, visible

PIECE = 32
"""Characters of which every longer leak holds at least one aligned run."""
TOO_LONG = frozenset({"expires_in_ten_years"})
"""Faults whose credential is believed for so long that the next attempt has to wait."""
LIGHTSAIL = sorted(
    name
    for name, fault in FAULTS.items()
    if fault.stage is not Stage.ACCEPT
    and fault.end is not End.HANG
    and not fault.pause_seconds
    and name not in TOO_LONG
)
"""Every answer that comes to its end by itself."""
REGISTRY = ("UNAUTHORIZED", "DENIED", "status_503", "redirect_307", "html", "bad_status_line")


@pytest.fixture
def lightsail(tmp_path: Path) -> Iterator[Simulated]:
    """Credentials so short that an attempt may follow the one before it after 0.2 s."""
    with simulator(tmp_path, "--lifetime", "2") as running:
        yield running


@pytest.fixture
def keeping(lightsail: Simulated, tmp_path: Path) -> Iterator[Daemon]:
    folder = tmp_path / "host"
    arguments = ("--docker-config", str(folder / "config.json"), "--log-level", "debug")
    with daemon(folder, lightsail.environment, *arguments) as running:
        running.wait_for("credential_delivered")
        yield running


class Issued:
    """The passwords that were seen in the place, and where they are searched for."""

    def __init__(self) -> None:
        self._pieces: set[str] = set()

    def collect(self, running: Daemon, registry: str) -> None:
        """Take what the place holds now: the password, and as base64 with its user."""
        auth = running.auth(registry)
        if auth is not None:
            password = base64.b64decode(auth).decode().partition(":")[2]
            alone = base64.b64encode(password.encode()).decode()
            for text in (auth, password, alone):
                ends = range(PIECE, len(text) + 1, PIECE)
                self._pieces.update(text[end - PIECE : end] for end in ends)

    def assert_unseen(self, seen: Mapping[str, str]) -> None:
        """None of them, nor of those that never came to the place, nor the AWS secret key."""
        assert self._pieces
        for where, text in seen.items():
            assert text, where
            hits = [piece for piece in self._pieces if piece in text]
            assert not hits, f"{where} holds {hits[0]!r}"
            for mark in marks():
                assert mark not in text, f"{where} holds {mark!r}"


def marks() -> list[str]:
    """How the mark looks as it is, and as base64 behind 0, 1 or 2 other bytes."""
    written = [base64.b64encode(b"-" * shift + MARK.encode()).decode() for shift in range(3)]
    return [MARK, *(text[(shift * 8 + 5) // 6 : 12] for shift, text in enumerate(written))]


def let_happen(running: Daemon, what: str, is_so: Callable[[], object]) -> None:
    """Wish for renewals until it is so: a wish is not held up by what failed before."""

    def wish_and_look() -> object:
        running.signal(signal.SIGUSR1)
        return is_so()

    eventually(what, wish_and_look, running.raw[-20:])


def all_waiting(lightsail: Simulated) -> list[str]:
    state = lightsail.order("")
    assert isinstance(state, dict)
    return [name for names in state["waiting_faults"].values() for name in names]


def end(running: Daemon, issued: Issued, lightsail: Simulated) -> None:
    """Look at all that can be seen, end the daemon, and look at what it said to its end."""
    environ = Path(f"/proc/{running.process.pid}/environ").read_text()
    seen = visible(running, lightsail)
    running.signal(signal.SIGTERM)
    assert running.process.wait(20) == 0
    running.wait_for("daemon_stopping")
    secret_key = lightsail.environment["AWS_SECRET_ACCESS_KEY"]
    seen["environ, without the AWS secret key it was given"] = environ.replace(secret_key, "")
    issued.assert_unseen(seen | {"output": "".join(running.raw)})


@pytest.mark.timeout(240)
def test_no_answer_of_lightsail_lets_a_password_be_seen(
    keeping: Daemon, lightsail: Simulated
) -> None:
    """Among them those that hold a password and cannot be believed."""
    issued = Issued()
    for name in LIGHTSAIL:
        lightsail.order("faults", {"name": name})
        let_happen(keeping, name, lambda: not all_waiting(lightsail))
        issued.collect(keeping, lightsail.registry)

    reasons = {line["reason"] for line in keeping.events("renewal_failed")}
    assert {"invalid_response", "access_denied", "redirected"} <= reasons
    end(keeping, issued, lightsail)


def test_no_answer_of_a_registry_lets_a_password_be_seen(
    keeping: Daemon, lightsail: Simulated
) -> None:
    issued = Issued()
    for name in REGISTRY:
        lightsail.order("faults", {"name": name, "times": 2, "at": "registry"})
        let_happen(keeping, name, lambda: not all_waiting(lightsail))
        issued.collect(keeping, lightsail.registry)

    end(keeping, issued, lightsail)


def test_no_failing_delivery_lets_a_password_be_seen(keeping: Daemon, lightsail: Simulated) -> None:
    issued = Issued()
    issued.collect(keeping, lightsail.registry)

    def has_failed(reason: str) -> bool:
        return any(line["reason"] == reason for line in keeping.events("delivery_failed"))

    keeping.config.write_text(keeping.config.read_text()[:-20])
    let_happen(keeping, "a file that breaks off", lambda: has_failed("malformed"))
    keeping.config.write_text("x" * (1 << 21))
    let_happen(keeping, "a file that is too large", lambda: has_failed("too_large"))
    keeping.config.unlink()
    keeping.config.mkdir()
    let_happen(keeping, "a directory in its place", lambda: has_failed("unsafe_path"))
    end(keeping, issued, lightsail)


def test_passwords_are_kept_in_files_that_their_owner_alone_may_read(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    with (
        simulator(tmp_path) as lightsail,
        daemon(
            folder, lightsail.environment, "--docker-config", str(folder / "config.json")
        ) as running,
    ):
        running.wait_for("credential_delivered")
        secrets = (running.password(lightsail.registry), running.auth(lightsail.registry) or "")
        files = [path for path in folder.rglob("*") if path.is_file()]
        holding = [path for path in files if any(text in path.read_text() for text in secrets)]
        modes = {path.stat().st_mode & 0o777 for path in holding}

    places = {path.relative_to(folder).parts[0] for path in holding}
    assert places == {"config.json", "state"}
    assert modes == {0o600}
