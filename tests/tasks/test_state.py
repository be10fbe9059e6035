"""The one table of states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import RunConflict
from holdfast.tasks.state import TRANSITIONS, TaskState, advance, is_terminal

STATES = st.sampled_from(TaskState)


@pytest.mark.promise("terminal-never-changes")
@given(STATES, STATES)
def test_a_state_goes_only_where_the_table_allows(current: TaskState, wanted: TaskState) -> None:
    allowed = wanted in TRANSITIONS[current] or (wanted is current and not is_terminal(current))
    if allowed:
        assert advance(current, wanted) is wanted
        return
    with pytest.raises(RunConflict, match=rf"from {current} to {wanted}"):
        advance(current, wanted)


def test_every_state_can_be_reached_and_three_are_terminal() -> None:
    reached = {TaskState.PENDING}
    for _ in TaskState:
        reached |= {after for state in reached for after in TRANSITIONS[state]}
    assert reached == set(TaskState)
    assert {state for state in TaskState if is_terminal(state)} == {
        TaskState.COMPLETED,
        TaskState.FAILED,
        TaskState.CANCELLED,
    }


def test_nothing_ends_without_having_begun() -> None:
    assert TaskState.COMPLETED not in TRANSITIONS[TaskState.PENDING]
