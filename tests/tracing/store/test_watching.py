"""Settling tells how far it has come, and what interrupts it loses nothing."""

from __future__ import annotations

import pytest

from holdfast.tracing.store.relational import store as relational
from holdfast.tracing.store.seam import TraceStore
from tests.tracing.store.conftest import Opener
from tests.tracing.store.making import span, trace_id


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


def test_each_trace_is_told_of_once_up_to_the_most_that_are_asked_for(store: TraceStore) -> None:
    store.add([span(trace, number) for trace in range(5) for number in range(2)])
    first, second = Noted(), Noted()
    assert store.settle(most=2, watch=first) == 2
    assert store.settle(watch=second) == 3
    assert (first.told, second.told) == ([(1, 2), (2, 2)], [(1, 3), (2, 3), (3, 3)])
    assert store.settle(watch=Noted(until=0)) == 0


def test_an_interrupt_keeps_what_was_settled_before_and_loses_no_span(
    reopen: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relational, "_SPANS_AT_ONCE", 25)
    spans = [span(trace, number) for trace in range(10) for number in range(10)]
    with reopen() as store:
        store.add(spans)
        with pytest.raises(KeyboardInterrupt):
            store.settle(watch=Noted(until=7))
    with reopen() as store:
        assert store.settle() == 4  # six were kept, two at a time
        assert sorted(each.count for each in store.statistics()) == [30, 30, 40]
        found = [each for trace in range(10) for each in store.spans(trace_id(trace))]
        assert found == spans


def test_one_trace_is_settled_at_a_time_however_long_it_is(
    store: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relational, "_SPANS_AT_ONCE", 1)
    store.add([span(trace, number) for trace in range(3) for number in range(4)])
    assert store.settle() == 3
