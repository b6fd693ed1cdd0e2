"""The page that people look reasons up in, against the tables in code."""

from __future__ import annotations

import re
from pathlib import Path

from lightkeeper.core.reasons import DELIVERY, RENEWAL
from lightkeeper.core.upkeep import LEASE, NAMESPACES, STORE

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "reasons.md"


def section(title: str) -> list[list[str]]:
    """The rows of one table of the page."""
    text = PAGE.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| `")]


def test_each_reason_of_an_attempt_has_its_advice_and_its_longest_waits() -> None:
    assert section("Of an attempt") == [
        [
            f"`{reason}`",
            failing.advice,
            *(
                f"{cap.total_seconds() / 60:g} min"
                for cap in (failing.caps.while_valid, failing.caps.after_expiry)
            ),
        ]
        for reason, failing in RENEWAL.items()
    ]


def test_each_reason_of_a_delivery_has_its_advice() -> None:
    assert section("Of a delivery") == [
        [f"`{reason}`", failing.advice] for reason, failing in DELIVERY.items()
    ]


def test_each_reason_of_saving_has_its_advice() -> None:
    assert section("Of saving the state") == [
        [f"`{reason}`", failing.advice] for reason, failing in STORE.items()
    ]


def test_each_reason_of_the_lease_has_its_advice() -> None:
    assert section("Of the Lease") == [
        [f"`{reason}`", failing.advice] for reason, failing in LEASE.items()
    ]


def test_each_reason_of_listing_namespaces_has_its_advice() -> None:
    assert section("Of listing namespaces") == [
        [f"`{reason}`", failing.advice] for reason, failing in NAMESPACES.items()
    ]


def test_every_word_of_the_page_that_looks_like_a_reason_is_one() -> None:
    cells = re.findall(r"^\| `(\w+)`", PAGE.read_text(), re.MULTILINE)

    assert set(cells) == RENEWAL.keys() | DELIVERY.keys()
