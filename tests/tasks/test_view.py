"""Tasks as JSON for people and other programs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.storage.seam import Store
from holdfast.tasks import NewTask, Tasks
from holdfast.tasks.view import describe, describe_event, iso, parse_iso
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


async def test_a_task_is_described_with_times_in_iso_8601(tasks: Tasks, store: Store) -> None:
    task = await tasks.create(
        NewTask(name="a", variables={"at": 5, "gone": 1}, metadata={"created_at": 7}, ttl_ms=1000)
    )
    await tasks.set_variables(task.id, {"gone": None})
    held = await tasks.claim(task.id, lease_ms=500)
    told = describe(held)
    json.dumps(told)
    assert told["created_at"] == "2023-11-14T22:13:20.000Z"
    assert told["expires_at"] == "2023-11-14T22:13:21.000Z"
    assert told["lease"] == {"holder": "ann", "fence": 1, "until": "2023-11-14T22:13:20.500Z"}
    assert told["metadata"] == {"created_at": 7}, "what people put in is left as it is"
    assert [*told["variables"]] == ["at"]  # type: ignore[misc]
    assert (told["kind"], told["state"], told["ready"]) == ("task", "working", False)
    [listed] = (await tasks.list()).tasks
    told = describe(listed)
    json.dumps(told)
    assert (told["id"], told["updated_at"]) == (task.id, "2023-11-14T22:13:20.000Z")
    [first, *_] = await tasks.history(task.id)
    told = describe_event(first)
    json.dumps(told)
    assert (told["event"], told["at"], told["number"]) == ("created", "2023-11-14T22:13:20.000Z", 1)


@given(st.integers(0, 253_402_300_799_999))
def test_a_time_comes_back_to_the_millisecond(at: int) -> None:
    assert parse_iso(iso(at)) == at


def test_what_is_no_time_is_told_apart() -> None:
    assert parse_iso("yesterday") is None
    assert parse_iso("2026-11-26T02:00:00+01:00") == parse_iso("2026-11-26T01:00:00")
    assert ManualClock().now_ms() == parse_iso("2023-11-14T22:13:20Z")
