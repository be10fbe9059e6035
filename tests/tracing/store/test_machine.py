"""Any order of what can be done to a trace store gives what a plain model of it has."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from holdfast.tracing.entries import Opened
from holdfast.tracing.span import Span
from holdfast.tracing.store.seam import Query, Retention, TraceStore
from tests.tracing.store.conftest import Fresh, Trials
from tests.tracing.store.making import EPOCH, HOUR, said, span, span_id, trace_id

DAY = 24 * HOUR


class StoreMachine(RuleBasedStateMachine):
    """Any order of adding, settling, burying, pinning, sweeping and forgetting, against a plain model."""

    def __init__(self, store: TraceStore) -> None:
        super().__init__()
        self.store = store
        self.ended: dict[int, dict[int, Span]] = {}
        self.opened: dict[int, set[int]] = {}
        self.pinned: set[int] = set()

    traces = st.integers(0, 3)
    numbers = st.integers(0, 7)

    @rule(trace=traces, number=numbers, duration=st.integers(0, 10**9), name=st.sampled_from("ab"))
    def add(self, trace: int, number: int, duration: int, name: str) -> None:
        added = span(trace, number, duration_ns=duration, name=name)
        self.store.add([added])
        self.ended.setdefault(trace, {})[number] = added
        self.opened.get(trace, set()).discard(number)

    @rule(trace=traces, number=numbers)
    def begin(self, trace: int, number: int) -> None:
        self.store.add(
            [Opened(trace_id=trace_id(trace), span_id=span_id(number), parent_id=None, name="o", kind="s", start_ns=EPOCH)]
        )  # fmt: skip
        if number not in self.ended.get(trace, {}):
            self.opened.setdefault(trace, set()).add(number)

    @rule()
    def settle(self) -> None:
        self.store.settle(most=1)

    @rule(trace=traces)
    def pin(self, trace: int) -> None:
        if self.store.pin(trace_id(trace)):
            self.pinned.add(trace)

    @rule(trace=traces)
    def forget(self, trace: int) -> None:
        self.store.forget(Query(trace_id=trace_id(trace)))
        self.ended.pop(trace, None)
        self.opened.pop(trace, None)
        self.pinned.discard(trace)

    @rule()
    def sweep(self) -> None:
        self.store.sweep(Retention(days=0.0000001), now_ns=EPOCH + 10 * DAY)
        for trace in list(self.ended):
            if trace not in self.pinned and not self.opened.get(trace):
                del self.ended[trace]

    @invariant()
    def holds_what_was_added(self) -> None:
        for trace in range(4):
            found = {each.span_id: each for each in self.store.spans(trace_id(trace))}
            ended = {span_id(n): each for n, each in self.ended.get(trace, {}).items()}
            opened = {span_id(n) for n in self.opened.get(trace, set())}
            assert found.keys() == ended.keys() | opened
            assert all(said(found[key]) == said(each) for key, each in ended.items())

    @invariant()
    def counts_each_span_once(self) -> None:
        every = [each for spans in self.ended.values() for each in spans.values()]
        for exact in (False, True):
            counted = {
                each.name: (each.count, each.total_ns)
                for each in self.store.statistics(exact=exact)
            }
            for name in "ab":
                mine = [each.duration_ns for each in every if each.name == name]
                assert counted.get(name, (0, 0)) == (len(mine), sum(mine))

    def teardown(self) -> None:
        self.store.__exit__(None, None, None)


def test_any_order_gives_what_the_model_has(fresh: Fresh, trials: Trials) -> None:
    run_state_machine_as_test(
        lambda: StoreMachine(fresh()), settings=settings(trials(32), stateful_step_count=20)
    )
