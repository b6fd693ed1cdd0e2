"""What a user may not look at costs them a sentence and no traceback."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightkeeper.cli import settings
from lightkeeper.cli.main import DONE, FAILED, MISUSED, main

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of the user nobody, below folders that anybody may pass."""
    with tempfile.TemporaryDirectory() as path:
        os.chown(path, NOBODY, NOBODY)
        yield Path(path)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Until the end, this process may do what the user nobody may."""
    if os.geteuid() != 0:
        pytest.skip("takes root, which can be another user for a while")
    os.seteuid(NOBODY)
    try:
        if not os.access(__file__, os.R_OK, effective_ids=True):
            pytest.skip("other users may not read this checkout")
        yield
    finally:
        os.seteuid(0)


def _flags(folder: Path, place: Path) -> list[str]:
    return [
        *("--region", "eu-central-1", "--docker-config", str(place)),
        *("--state-dir", str(folder / "state"), "--socket", str(folder / "socket")),
    ]


def test_a_place_below_a_closed_folder_is_told_as_that(
    open_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = tmp_path / "config.json"

    with as_nobody():
        status = main(["check", *_flags(open_folder, closed)])

    assert status == FAILED
    said = capsys.readouterr().out
    assert f"{closed}  nothing: permission_denied: " in said
    assert "an entry" not in said


def test_a_configuration_in_a_closed_folder_is_one_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as /etc/lightkeeper of mode 0700: it is not passed over as if it were not there."""
    file = tmp_path / "config.yaml"

    with as_nobody():
        may_be_there = settings.may_be_there(file)
        status = main(["check", "--config", str(file)])

    assert may_be_there
    assert status == MISUSED
    assert f"{file}: cannot be read: Permission denied; let uid" in capsys.readouterr().err


def test_a_path_that_is_too_long_is_taken_for_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = tmp_path / ("x" * 300)

    assert main(["check", *_flags(tmp_path, long)]) == FAILED

    assert str(long) in capsys.readouterr().out


@pytest.mark.parametrize("name", ["missing", "file/below", "missing/below"])
def test_what_is_surely_not_there_is_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    assert not settings.may_be_there(tmp_path / name)
    assert settings.may_be_there(tmp_path / "file")


def test_a_user_without_a_home_is_looked_for_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`~` alone means nothing there, and asks for no daemon."""
    monkeypatch.setenv("XDG_STATE_HOME", "~nobody-has-this-name/state")
    monkeypatch.delenv("LIGHTKEEPER_SOCKET", raising=False)

    assert main(["renew"]) != DONE

    assert "no daemon answers here" in capsys.readouterr().err


def test_check_tells_what_no_delivery_could_do(
    open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no credential was issued yet, too; and whether a look could read it or not."""
    own, roots = open_folder / "own.json", open_folder / "sub" / "config.json"
    own.touch()
    roots.parent.mkdir()
    missing = open_folder / "sub" / "deep" / "config.json"

    for place, said in [
        (own, f"nothing: other_owner: {own} belongs to uid 0"),
        (roots, f"nothing: permission_denied: {roots}: Permission denied"),
        (missing, f"nothing: permission_denied: {missing.parent.parent}: Permission denied"),
    ]:
        with as_nobody():
            assert main(["check", *_flags(open_folder, place)]) == FAILED
        assert said in capsys.readouterr().out
