"""A lane serves requests in groups: now, in their turn, or with whatever comes next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from anyio import fail_after

from holdfast.errors import UsageError
from holdfast.storage.lane import Lane
from holdfast.storage.outcomes import Outcome

pytestmark = pytest.mark.anyio


class Echo:
    """Answers with the request itself, an error with that, and keeps the groups that it was given."""

    def __init__(self) -> None:
        self.groups: list[list[object]] = []
        self.is_busy = False

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def serve(self, group: list[object]) -> list[Outcome]:
        self.groups.append(group)
        return [
            Outcome(error=each) if isinstance(each, Exception) else Outcome(each) for each in group
        ]

    def serve_now(self, group: list[object]) -> list[Outcome] | None:
        return None if self.is_busy else self.serve(group)


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def lane(echo: Echo) -> AsyncIterator[Lane[object]]:
    opened = Lane[object](echo, "a place", "test-lane")
    await opened.start()
    yield opened
    await opened.stop()


async def test_a_request_is_served_now_with_all_that_waits_in_its_order(lane, echo):
    told = []
    lane.leave(1, lambda *outcome: told.append(outcome))
    first = lane.submit(2)
    assert echo.groups == []
    assert lane.submit(3, now=True).result() == 3
    assert (echo.groups, first.result(), told) == ([[1, 2, 3]], 2, [(1, None)])
    await asyncio.sleep(0)  # the turn that was planned finds nothing
    assert echo.groups == [[1, 2, 3]]


async def test_what_cannot_be_served_now_is_answered_by_the_thread(lane, echo):
    echo.is_busy = True
    told = []
    lane.leave(1, lambda *outcome: told.append(outcome))
    answer = lane.submit(2, now=True)
    assert not answer.done()
    with fail_after(5):
        assert await answer == 2
    assert (echo.groups, told) == ([[1, 2]], [(1, None)])


async def test_requests_of_one_turn_that_are_not_for_now_are_served_together(lane, echo):
    assert await asyncio.gather(lane.submit(1), lane.submit(2)) == [1, 2]
    assert echo.groups == [[1, 2]]


async def test_what_is_left_is_told_after_a_while_though_nothing_else_comes(lane, echo):
    told = asyncio.get_running_loop().create_future()
    lane.leave(1, lambda result, error: told.set_result((result, error)))
    assert echo.groups == []
    with fail_after(5):
        assert await told == (1, None)


async def test_what_is_left_after_a_group_waits_as_long_as_what_was_left_before(
    lane, echo, monkeypatch
):
    monkeypatch.setattr("holdfast.storage.lane._LATER_SECONDS", 0)  # that is a turn of the loop
    lane.leave(1, lambda *_: None)
    await lane.submit(2, now=True)
    told = asyncio.get_running_loop().create_future()
    lane.leave(3, lambda *outcome: told.set_result(outcome))
    for _ in range(2):  # the timer of the first one has run then
        await asyncio.sleep(0)
    assert echo.groups == [[1, 2]]
    with fail_after(5):
        assert await told == (3, None)
    assert echo.groups == [[1, 2], [3]]


async def test_what_is_left_waits_for_a_group_until_the_lane_is_closed(lane, monkeypatch):
    monkeypatch.setattr("holdfast.storage.lane._LATER_SECONDS", 3600)
    told, error = [], UsageError("no")
    lane.leave(error, lambda *outcome: told.append(outcome))
    for _ in range(3):
        await asyncio.sleep(0)
    assert told == []
    await lane.stop()
    assert told == [(None, error)]
