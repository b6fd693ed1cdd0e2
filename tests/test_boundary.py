"""A bug ends where it is drawn, and what is told of it holds no secret."""

from __future__ import annotations

import asyncio

import pytest

from lightkeeper.boundary import boundary


def break_down(secret: str) -> None:
    raise LookupError(secret)


async def test_a_bug_ends_the_block_and_is_told_with_its_frames_alone() -> None:
    told: list[str] = []

    with boundary(told.append):
        break_down("simulated-secret")

    (frames,) = told
    assert frames.endswith("LookupError")
    assert "in break_down" in frames
    assert "simulated-secret" not in frames.replace('break_down("simulated-secret")', "")


async def test_where_all_goes_well_nothing_is_told() -> None:
    told: list[str] = []

    with boundary(told.append):
        pass

    assert told == []


async def test_a_bug_in_telling_of_a_bug_ends_nothing_and_is_still_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def cannot(frames: str) -> None:
        raise ValueError(frames)

    with boundary(cannot):
        break_down("simulated")

    (record,) = caplog.records
    assert record.name == "asyncio"
    assert "LookupError\n" in record.message
    assert record.message.endswith("ValueError")


async def test_cancelling_is_no_bug() -> None:
    told: list[str] = []

    with pytest.raises(asyncio.CancelledError), boundary(told.append):
        raise asyncio.CancelledError

    assert told == []
