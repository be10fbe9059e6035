"""Negative controls: random histories find the faults of a store."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from holdfast.storage.memory import MemoryStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.machine import StoreMachine
from tests.storage import negative_claims, negative_erasures, negative_handles, negative_records
from tests.storage.negative_rules import name_of

FOUND_BY_THE_MACHINE = [
    *negative_records.FOUND_BY_THE_MACHINE,
    *negative_handles.FOUND_BY_THE_MACHINE,
    *negative_claims.FOUND_BY_THE_MACHINE,
    *negative_erasures.FOUND_BY_THE_MACHINE,
]


def _try_histories(kind, *, examples: int) -> None:
    def fresh(clock: ManualClock):
        store = kind(clock=clock)
        return lambda: store

    # One fault is enough: it need not be made small.
    run_state_machine_as_test(
        lambda: StoreMachine(fresh),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("kind", FOUND_BY_THE_MACHINE, ids=name_of)
def test_random_histories_find_a_fault(kind) -> None:
    with pytest.raises(AssertionError):
        _try_histories(kind, examples=2000)  # most are found in the first hundred


def test_random_histories_find_nothing_where_no_fault_is() -> None:
    _try_histories(MemoryStore, examples=20)
