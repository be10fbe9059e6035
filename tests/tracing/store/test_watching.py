"""Settling tells how far it has come, and what interrupts it loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.tracing.store.opening import open_trace_store
from holdfast.tracing.store.relational import store as relational
from tests.tracing.store.making import plain_digest, span, trace_id


class Noted:
    """A watch that notes what it is told, and interrupts after so many traces."""

    def __init__(self, until: int = 10**9) -> None:
        self.told: list[tuple[int, int]] = []
        self._until = until

    def collected(self, entries: int) -> None:
        raise AssertionError(entries)

    def settled(self, done: int, total: int) -> None:
        self.told.append((done, total))
        if done >= self._until:
            raise KeyboardInterrupt


@given(st.lists(st.integers(0, 9), max_size=20), st.none() | st.integers(0, 12))
def test_each_trace_is_told_of_once_up_to_the_most_that_are_asked_for(
    traces: list[int], most: int | None
) -> None:
    noted = Noted()
    with open_trace_store("memory:", digester=plain_digest) as store:
        store.add([span(trace, number) for number, trace in enumerate(traces)])
        waiting = len(set(traces))
        total = waiting if most is None else min(waiting, most)
        assert store.settle(most=most, watch=noted) == total
        assert noted.told == [(number + 1, total) for number in range(total)]
        assert store.settle() == waiting - total
        assert store.settle() == 0


def test_an_interrupt_keeps_what_was_settled_before_and_loses_no_span(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relational, "_SPANS_AT_ONCE", 25)
    address = f"sqlite:{tmp_path}/traces.db"
    spans = [span(trace, number) for trace in range(10) for number in range(10)]
    with open_trace_store(address, digester=plain_digest) as store:
        store.add(spans)
        with pytest.raises(KeyboardInterrupt):
            store.settle(watch=Noted(until=7))
    with open_trace_store(address, digester=plain_digest) as store:
        noted = Noted()
        assert store.settle(watch=noted) == 4  # six were kept, two at a time
        assert [each.count for each in store.statistics()] == [40, 30, 30]
        for trace in range(10):
            assert store.spans(trace_id(trace)) == [each for each in spans if each.trace_id == trace_id(trace)]  # fmt: skip
