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


async def test_a_bug_in_a_task_of_a_group_is_told_with_its_own_frames() -> None:
    """The group's are those of the event loop."""
    told: list[str] = []

    async def breaks(secret: str) -> None:
        break_down(secret)

    with boundary(told.append):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(breaks("simulated-" + "secret"), name="breaks")

    (frames,) = told
    assert "ExceptionGroup\nin the group:\n" in frames
    assert "in break_down" in frames
    assert frames.endswith("LookupError")
    assert "simulated-secret" not in frames


@pytest.mark.parametrize("is_said", [True, False])
async def test_what_a_bug_came_from_is_told_too(*, is_said: bool) -> None:
    told: list[str] = []

    with boundary(told.append):
        try:
            break_down("simulated")
        except LookupError as exc:
            if is_said:
                raise ValueError from exc
            raise ValueError  # noqa: B904 - as a bug in a handler is

    (frames,) = told
    assert "ValueError\nbefore that:\n" in frames
    assert "in break_down" in frames
    assert frames.endswith("LookupError")


async def test_what_a_bug_hides_on_purpose_is_not_told() -> None:
    told: list[str] = []

    with boundary(told.append):
        try:
            break_down("simulated")
        except LookupError:
            raise ValueError from None

    assert told[0].endswith("ValueError")


async def test_what_is_told_of_one_bug_is_bounded() -> None:
    told: list[str] = []

    def descend(deep: int) -> None:
        if deep:
            ascend(deep - 1)
        msg = "simulated"
        raise ExceptionGroup(msg, [LookupError()] * 100)

    def ascend(deep: int) -> None:
        descend(deep)

    with boundary(told.append):
        descend(200)

    (frames,) = told
    assert frames.count("in descend") + frames.count("in ascend") == 20
    assert frames.count("in the group:") == 7


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
    assert "ValueError\n" in record.message


async def test_cancelling_is_no_bug() -> None:
    told: list[str] = []

    with pytest.raises(asyncio.CancelledError), boundary(told.append):
        raise asyncio.CancelledError

    assert told == []
