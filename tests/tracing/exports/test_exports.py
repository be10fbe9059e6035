"""Traces open in other viewers: lanes nest, Chrome's events and speedscope's brackets are sound."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.tracing.exports.chrome import chrome_text
from holdfast.tracing.exports.lanes import place
from holdfast.tracing.exports.speedscope import speedscope_document
from holdfast.tracing.span import Event, Span

TRACE = "a" * 32


@st.composite
def traces(draw: st.DrawFn) -> list[Span]:
    """Draw spans in any position to one another, below any earlier one."""
    spans: list[Span] = []
    for number in range(draw(st.integers(0, 12))):
        parents = [None, *(span.span_id for span in spans)]
        spans.append(
            Span(
                trace_id=TRACE,
                span_id=f"{number + 1:016x}",
                parent_id=draw(st.sampled_from(parents)),
                name=draw(st.sampled_from(["read", "write", "think"])),
                kind="step",
                start_ns=draw(st.integers(0, 20)),
                duration_ns=draw(st.integers(0, 20)),
                attributes={"blob": b"\xff", "odd": float("nan")},
                events=(Event(at_ns=3, name="tick"),),
            )
        )
    return spans


@given(traces())
def test_spans_on_one_lane_lie_inside_one_another_or_apart(spans: list[Span]) -> None:
    placed = place(spans)
    assert {id(each.span) for each in placed} == {id(span) for span in spans}
    for number, (first, lane) in enumerate(placed):
        for second, other in placed[number + 1 :]:
            apart = first.end_ns <= second.start_ns or second.end_ns <= first.start_ns
            inside = first.start_ns <= second.start_ns and second.end_ns <= first.end_ns
            assert lane != other or apart or inside


def test_work_at_one_time_lies_on_lanes_of_its_own_and_work_in_turn_does_not() -> None:
    def span(number: int, start: int, end: int) -> Span:
        return Span(
            trace_id=TRACE, span_id=f"{number:016x}", parent_id=None, name="n", kind="step",
            start_ns=start, duration_ns=end - start,
        )  # fmt: skip

    lanes = [lane for _, lane in place([span(1, 0, 10), span(2, 5, 15), span(3, 10, 20)])]
    assert lanes == [0, 1, 0]


@given(traces())
def test_chrome_gets_one_complete_event_for_each_span(spans: list[Span]) -> None:
    document = json.loads("".join(chrome_text([spans])), parse_constant=pytest.fail)
    whole = [each for each in document["traceEvents"] if each["ph"] == "X"]
    assert sorted(each["args"]["span_id"] for each in whole) == [each.span_id for each in spans]
    places = {(each["args"]["span_id"], each["ts"], each["dur"]) for each in whole}
    assert places == {
        (each.span_id, each.start_ns / 1000, each.duration_ns / 1000) for each in spans
    }
    instants = [each for each in document["traceEvents"] if each["ph"] == "i"]
    assert [each["ts"] for each in instants] == [0.003] * len(spans)


@given(traces(), traces())
def test_chrome_names_each_trace_and_each_lane_that_spans_lie_on(
    one: list[Span], two: list[Span]
) -> None:
    document = json.loads("".join(chrome_text([one, two])))
    named = {"process_name": set[object](), "thread_name": set[object]()}
    for each in document["traceEvents"]:
        if each["ph"] == "M":
            named[each["name"]].add((each["pid"], each.get("tid")))
            if each["name"] == "process_name":
                assert each["args"]["name"].endswith(f" {TRACE[:8]}")
    drawn = {(each["pid"], each["tid"]) for each in document["traceEvents"] if each["ph"] != "M"}
    assert named["thread_name"] == drawn
    assert named["process_name"] == {(process, None) for process, _ in drawn}


@given(traces(), traces())
def test_speedscope_gets_brackets_that_match(one: list[Span], two: list[Span]) -> None:
    document = json.loads(json.dumps(speedscope_document([one, two]), allow_nan=False))
    opened = 0
    for profile in document["profiles"]:
        opened += _check_brackets(profile["events"])
        times = [each["at"] for each in profile["events"]]
        assert times == sorted(times)
        assert profile["startValue"] <= times[0]
        assert times[-1] <= profile["endValue"]
    assert opened == len(one) + len(two)


def _check_brackets(events: Sequence[dict[str, object]]) -> int:
    stack: list[object] = []
    for each in events:
        if each["type"] == "O":
            stack.append(each["frame"])
        else:
            assert stack.pop() == each["frame"]
    assert not stack
    return len(events) // 2
