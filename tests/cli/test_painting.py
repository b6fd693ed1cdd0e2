"""Logins on a terminal: the bar and its colour say how one stands, the lines say why."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightkeeper.cli.painting import Painted
from lightkeeper.cli.standing import lines
from lightkeeper.core.facts import Cause
from lightkeeper.core.notices import Notice
from lightkeeper.core.place import PlaceState
from lightkeeper.core.reasons import Reason
from lightkeeper.core.report import report
from lightkeeper.core.state import LoginState
from lightkeeper.core.status import as_document
from tests.core.making import (
    HERE,
    HOUR,
    LIFETIME,
    a_state,
    after,
    at,
    delivered,
    delivered_to,
    drifted,
    failed,
    not_delivered,
    pending,
)

GOOD = delivered_to(HERE)
NOTICED = after(GOOD, delivered(notices=frozenset({Notice.WIDE_MODE, Notice.FIRST_ENTRY})))
STATES = [
    GOOD,
    NOTICED,
    after(GOOD, failed(HOUR, Reason.THROTTLED, detail="slow down")),
    after(GOOD, not_delivered(HOUR)),
    after(GOOD, drifted(HOUR, Cause.REMOVED, digest=None)),
    after(GOOD, pending(HOUR)),
    a_state().with_places([PlaceState(place=HERE)]),
]
NAMES = ["good", "noticed", "renewal fails", "place fails", "drift", "pending", "none came"]


def _document(state: LoginState, hours: float = 1) -> dict[str, Any]:
    (login,) = as_document(report([(state, "eu-central-1")], at(hours * HOUR)))["logins"]
    assert isinstance(login, dict)
    return login


def _shown(login: dict[str, Any], width: int = 250) -> list[str]:
    console = Console(file=StringIO(), width=width)
    with console.capture() as captured:
        console.print(Painted(login))
    return [line.rstrip() for line in captured.get().splitlines()]


def _bar(login: dict[str, Any]) -> tuple[ProgressBar, Text]:
    """The bar, and the word at its end."""
    console = Console()
    head = next(iter(Painted(login).__rich_console__(console, console.options)))
    assert isinstance(head, Table)
    bar, _, word = (next(iter(column.cells)) for column in head.columns)
    assert isinstance(bar, ProgressBar)
    assert isinstance(word, Text)
    return bar, word


@pytest.mark.parametrize(
    ("state", "hours", "color", "word"),
    [
        (GOOD, 1, "green", "[ok]"),
        (NOTICED, 1, "green", "[ok]"),
        (after(GOOD, not_delivered(HOUR)), 1, "yellow", "[not ready]"),
        (GOOD, 10, "yellow", "[low]"),
        (GOOD, 13, "red", "[NO LOGIN]"),
        (a_state().with_places([PlaceState(place=HERE)]), 1, "red", "[NO LOGIN]"),
    ],
    ids=["ready", "noticed", "a place fails", "little is left", "expired", "none came"],
)
def test_green_is_ready_yellow_is_valid_and_red_is_neither(
    state: LoginState, hours: float, color: str, word: str
) -> None:
    bar, said = _bar(_document(state, hours))

    assert bar.complete_style == bar.finished_style == color
    assert (said.plain, said.style) == (word, color)
    assert bar.total == LIFETIME.total_seconds() or color == "red"


def test_a_login_is_told_as_everywhere_else() -> None:
    bar, *said = _shown(_document(GOOD))

    assert re.fullmatch(r"━+[╸╺━]* +prod +\[ok\]", bar)
    assert said == [
        "  without another renewal the login lasts until 00:00Z (11 h 0 min)",
        "  registry registry.test, region eu-central-1",
        "  expires 2026-01-02T00:00:00Z, renewal due 2026-01-01T17:24:00Z",
        "  ✓ /a/config.json  [ok]  holds a login until 2026-01-02T00:00:00Z",
    ]


@pytest.mark.parametrize("state", STATES, ids=NAMES)
@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_nothing_of_a_line_is_lost_however_narrow_the_terminal(
    state: LoginState, width: int
) -> None:
    login = _document(state)

    shown = _shown(login, width)

    assert max(map(len, shown)) <= width
    told = re.sub(r"\W+", "", " ".join(shown))
    for line in (login["sentence"], *(line.text for line in lines(login))):
        assert re.sub(r"\W+", "", line) in told


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_duration_and_an_instant_stay_in_one_piece(width: int) -> None:
    text = "\n".join(_shown(_document(GOOD), width))

    for piece in ("(11 h 0 min)", "2026-01-02T00:00:00Z", "2026-01-01T17:24:00Z"):
        assert piece in text


@pytest.mark.parametrize("width", [20, 40])
def test_a_path_that_is_wider_than_the_terminal_goes_on_in_the_next_line(width: int) -> None:
    login = _document(GOOD)
    path = "/" + "x" * 90 + "/config.json"
    login["outputs"][0]["places"][0]["place"] = path

    assert path in re.sub(r"\s", "", "".join(_shown(login, width)))


@pytest.mark.parametrize("path", ["/m/[red]x[/red]/", "/m/[/x]", "/m/:smile:/", "/m/[bold"])
def test_brackets_and_colons_in_a_path_are_no_markup(path: str) -> None:
    login = _document(GOOD)
    login["outputs"][0]["places"][0]["place"] = path

    assert f"  ✓ {path}  [ok]" in "\n".join(_shown(login))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            after(GOOD, failed(HOUR, Reason.THROTTLED, detail="slow down")),
            ["  ✗ failing since 2026-01-01T13:00:00Z: throttled: slow down", "  Lightsail asks"],
        ),
        (
            after(GOOD, not_delivered(HOUR)),
            ["  ✗ /a/config.json  [failing]", "    ✗ read_only: /a: read-only", "    The file"],
        ),
        (
            after(GOOD, drifted(HOUR, Cause.REMOVED, digest=None)),
            ["  … /a/config.json  [pending]", "    … somebody else removed our entry; it is to "],
        ),
        (after(GOOD, pending(HOUR)), ["  … /a/config.json  [pending]", "    … /run/user/1"]),
        (NOTICED, ["  ✓ /a/config.json", "    ! warning: wide_mode: Oth", "    first_entry: Our"]),
    ],
    ids=["renewal", "delivery", "drift", "pending", "noticed"],
)
def test_what_is_wrong_is_told_where_it_is(state: LoginState, said: list[str]) -> None:
    shown = _shown(_document(state), 400)
    first = next(at for at, line in enumerate(shown) if line.startswith(said[0]))

    assert all(line.startswith(start) for line, start in zip(shown[first:], said, strict=False))
