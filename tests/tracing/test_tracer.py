"""Spans know what they lie inside, how long they took and how they ended."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.testing.clock import ManualClock
from holdfast.tracing.kept import Kept
from holdfast.tracing.span import Span
from holdfast.tracing.tracer import Tracer
from holdfast.tracing.waterfall import bar, total_ns, waterfall


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start_ms=1_000_000)


@pytest.fixture
def tracer(kept: Kept, clock: ManualClock) -> Tracer:
    return Tracer(clock=clock, sink=kept)


def test_spans_nest_and_siblings_share_a_parent(
    tracer: Tracer, kept: Kept, clock: ManualClock
) -> None:
    with tracer.span("top", kind="run", trace_id="t" * 32):
        clock.advance(1)
        with tracer.span("first", colour="red") as first:
            clock.advance(2)
            first.set(size=3)
        with tracer.span("second"):
            clock.advance(4)
    spans = {span.name: span for span in kept.spans}
    assert spans["first"].parent_id == spans["second"].parent_id == spans["top"].span_id
    assert spans["top"].parent_id is None
    assert {span.trace_id for span in spans.values()} == {"t" * 32}
    assert spans["first"].attributes == {"colour": "red", "size": 3}
    assert (spans["first"].start_ns, spans["first"].duration_ns) == (
        1_001_000_000_000,
        2_000_000_000,
    )
    assert spans["top"].duration_ns == 7_000_000_000


def test_a_sink_knows_what_is_open_until_it_has_ended(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("top", trace_id="t" * 32), tracer.span("twice"):
        assert [each.name for each in kept.open] == ["top", "twice"]
        with tracer.span("twice", number=2):
            pass
        assert [each.name for each in kept.open] == ["top", "twice"]
    assert not kept.open
    assert kept["twice"].attributes == {}  # the last that ended
    kept.clear()
    assert not kept.spans


def test_a_failure_and_a_cancellation_are_told_apart(tracer: Tracer, kept: Kept) -> None:
    with pytest.raises(ValueError, match="no"), tracer.span("bad", trace_id="t"):
        raise ValueError("no")
    with pytest.raises(asyncio.CancelledError), tracer.span("stopped", trace_id="t"):
        raise asyncio.CancelledError
    assert (kept["bad"].status, kept["bad"].error) == ("error", "ValueError: no")
    assert kept["stopped"].status == "cancelled"


def test_outside_a_trace_nothing_is_recorded(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("alone"):
        pass
    assert kept.spans == []


async def test_tasks_and_threads_see_the_span_they_were_made_in(tracer: Tracer, kept: Kept) -> None:
    async def in_task(name: str) -> None:
        with tracer.span(name):
            await asyncio.sleep(0)

    def in_thread() -> None:
        with tracer.span("thread"):
            pass

    with tracer.span("top", trace_id="t"):
        await asyncio.gather(in_task("a"), in_task("b"), asyncio.to_thread(in_thread))
    top = kept["top"].span_id
    assert {kept[name].parent_id for name in ("a", "b", "thread")} == {top}


def test_an_attribute_may_be_called_as_an_argument_is(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("span", trace_id="t", name="a", self="b", parent="c") as span:
        span.set(self="d")
    assert kept["span"].attributes == {"name": "a", "self": "d", "parent": "c"}


names = st.text(max_size=20)
spans = st.builds(
    Span,
    trace_id=st.just("t"),
    span_id=st.uuids().map(str),
    parent_id=st.none() | st.just("lost"),
    name=names,
    kind=names,
    start_ns=st.integers(0, 10**12),
    duration_ns=st.integers(0, 10**9),
    status=st.sampled_from(["ok", "error", "cancelled"]),
    error=names,
    attributes=st.dictionaries(names, st.none() | st.booleans() | st.integers() | names),
)


@given(st.lists(spans, max_size=12), st.integers(1, 80), st.randoms(use_true_random=False))
def test_a_waterfall_shows_every_span_once_within_its_width(
    flat: list[Span], width: int, order: object
) -> None:
    rows = waterfall(flat)
    assert sorted(row.span.span_id for row in rows) == sorted(span.span_id for span in flat)
    total = total_ns(rows)
    for row in rows:
        drawn = bar(row, total, width)
        assert len(drawn) == width
        assert "█" in drawn
