"""Where the time of a trace went adds up, and is told as by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.tracing.analysis.paths import critical_path
from holdfast.tracing.analysis.replay import replay, savings_of, what_if
from holdfast.tracing.analysis.times import (
    bottlenecks_of,
    gaps_of,
    names_of,
    own_times,
    percentile,
    times_of,
)
from holdfast.tracing.analysis.trace import read_trace
from holdfast.tracing.analysis.tree import tree_of
from holdfast.tracing.span import Span
from tests.tracing.analysis.making import MS, nested, path_slowly, span, tree, wild


def shares(*spans: Span) -> dict[str, float]:
    """Return how many milliseconds of the critical path are each span's own."""
    made, found = tree(*spans), dict[str, float]()
    for number, begin, end in critical_path(made):
        name = made.spans[number].span_id if number >= 0 else "nothing"
        found[name] = found.get(name, 0) + (end - begin) / MS
    return found


def test_the_path_of_a_sequence_is_all_of_it() -> None:
    spans = span("run", None, 0, 10), span("a", "run", 1, 4), span("b", "run", 5, 9)
    assert shares(*spans) == {"run": 3, "a": 3, "b": 4}


def test_of_parallel_branches_the_longest_is_critical() -> None:
    spans = span("run", None, 0, 10), span("a", "run", 0, 6), span("b", "run", 0, 10)
    assert shares(*spans) == {"b": 10}


def test_time_in_which_a_child_runs_is_not_its_parents() -> None:
    spans = span("run", None, 0, 10), span("a", "run", 0, 6), span("b", "run", 5, 10)
    assert shares(*spans) == {"a": 5, "b": 5}


def test_a_slot_that_became_free_is_what_the_next_one_waited_for() -> None:
    spans = (
        span("run", None, 0, 9), span("a", "run", 0, 3.99), span("b", "run", 0, 6),
        span("c", "run", 4, 9),
    )  # fmt: skip
    assert shares(*spans) == pytest.approx({"a": 3.99, "c": 5, "run": 0.01})


def test_what_goes_on_after_its_parent_is_left_out() -> None:
    spans = span("run", None, 0, 10), span("a", "run", 2, 8), span("late", "a", 4, 50)
    assert shares(*spans) == {"run": 4, "a": 2, "late": 4}


def test_between_two_roots_there_is_nothing() -> None:
    spans = span("first", None, 0, 10), span("second", None, 30, 40)
    assert shares(*spans) == {"first": 10, "nothing": 20, "second": 10}


@given(nested())
def test_the_path_covers_the_run_without_gap_or_overlap(spans: list[Span]) -> None:
    made = tree_of(spans)
    path = critical_path(made)
    at = made.begin
    for number, begin, end in path:
        assert begin == at < end
        assert made.begins[number] <= begin < end <= made.ends[number]
        at = end
    assert at == made.ends[made.roots[0]]


@given(nested())
def test_the_path_is_what_its_definition_says(spans: list[Span]) -> None:
    made = tree_of(spans)
    found: dict[str, int] = {}
    for number, begin, end in critical_path(made):
        id_ = made.spans[number].span_id
        found[id_] = found.get(id_, 0) + end - begin
    assert found == path_slowly(made)


@given(nested())
def test_own_time_is_what_no_child_covers(spans: list[Span]) -> None:
    made = tree_of(spans)
    for number, own in enumerate(own_times(made)):
        moments = range(made.begins[number] // MS, made.ends[number] // MS)
        alone = [
            at for at in moments
            if not any(made.begins[c] <= at * MS < made.ends[c] for c in made.children[number])
        ]  # fmt: skip
        assert own == len(alone) * MS
        if made.children[number]:
            assert sum(end - begin for begin, end in gaps_of(made, number)) == own


@given(wild())
def test_the_parts_of_the_time_are_never_more_than_all_of_it(spans: list[Span]) -> None:
    times = times_of(read_trace(spans))
    assert 0 <= times.waiting_ns <= times.total_ns
    assert 0 <= times.unaccounted_ns <= times.total_ns
    assert sum(times.path_own_ns) <= times.total_ns
    assert all(own >= 0 for own in times.own_ns)


@given(nested())
def test_a_replay_of_what_happened_takes_as_long_as_it_took(spans: list[Span]) -> None:
    made = tree_of(spans)
    assert replay(made, lambda _: True, factor=1.0) == made.end - made.begin
    assert replay(made, lambda number: number % 2 == 0, factor=1.0) == made.end - made.begin


@given(nested(), st.floats(0, 1))
def test_being_faster_never_takes_longer(spans: list[Span], factor: float) -> None:
    made = tree_of(spans)
    saving = what_if(made, "search", factor=factor)
    assert 0 <= saving.after_ns <= saving.before_ns + len(spans)  # each may be rounded up
    assert saving.before_ns == made.end - made.begin


def test_a_faster_search_saves_its_share_of_a_sequence() -> None:
    trace = read_trace(
        [
            span("run", None, 0, 100),
            span("a", "run", 0, 15, name="search"),
            span("b", "run", 20, 100, name="write"),
        ]
    )
    saving = what_if(trace.tree, "search", factor=0.8)
    assert saving.share == pytest.approx(0.03)
    best = savings_of(trace, times_of(trace))
    assert [each.name for each in best] == ["write", "search"]


def test_a_faster_branch_that_nobody_waits_for_saves_nothing() -> None:
    made = tree(span("run", None, 0, 100), span("a", "run", 0, 50), span("b", "run", 0, 100))
    assert what_if(made, "a", factor=0.1).share == 0
    assert what_if(made, "b", factor=0.1).share == pytest.approx(0.5)


def test_a_branch_that_goes_on_behind_the_end_of_its_parent_makes_it_no_longer() -> None:
    made = tree(span("run", None, 0, 100), span("step", "run", 0, 100),
                span("a", "step", 0, 50), span("b", "step", 40, 150))  # fmt: skip
    saving = what_if(made, "a", factor=0.1)
    assert saving.before_ns == saving.after_ns == 100 * MS
    assert replay(made, lambda number: number == 3, factor=0.5) < saving.before_ns


def test_nobody_can_hurry_a_person() -> None:
    trace = read_trace([span("run", None, 0, 100), span("ask", "run", 0, 80, kind="human"),
                        span("w", "run", 80, 100, name="write")])  # fmt: skip
    assert [each.name for each in savings_of(trace, times_of(trace))] == ["write"]


def test_half_of_a_run_is_no_bottleneck_and_more_is() -> None:
    def names(end: float) -> list[str]:
        trace = read_trace([span("run", None, 0, 100, kind="run"), span("a", "run", 0, end)])
        return [each.name for each in bottlenecks_of(trace, times_of(trace))]

    assert names(50) == []
    assert names(50.001) == ["a"]


def test_a_long_branch_in_the_shadow_of_others_is_a_bottleneck_by_duration_only() -> None:
    spans = [span("run", None, 0, 100), span("long", "run", 0, 60)]
    spans += [span(f"b{n}", "run", n * 50, n * 50 + 50, name="other") for n in range(2)]
    spans[1] = span("long", "run", 20, 99)
    trace = read_trace(spans)
    by = {each.name: each.by for each in bottlenecks_of(trace, times_of(trace))}
    assert by == {"long": ("duration",)}


def test_waiting_is_told_apart_from_work() -> None:
    trace = read_trace(
        [
            span("run", None, 0, 100, kind="run"),
            span("ask", "run", 10, 60, kind="human"),
            span("slot", "run", 60, 70, name="queue", kind="wait"),
            span("t1", "run", 70, 72, name="get", kind="tool", status="error"),
            span("t2", "run", 80, 90, name="get", kind="tool"),
        ]
    )
    times = times_of(trace)
    assert {why: ns / MS for why, ns in times.waits.items()} == {
        "human": 50,
        "queue": 10,
        "retry": 8,
    }
    assert times.waiting_ns == 68 * MS
    assert times.unaccounted_ns == 20 * MS
    assert [each.name for each in bottlenecks_of(trace, times)] == []


def test_a_run_that_nobody_worked_on_was_waiting() -> None:
    times = times_of(
        read_trace([span("a", None, 0, 10, kind="run"), span("b", None, 60, 70, kind="run")])
    )
    assert times.waits == {"unloaded": 50 * MS}


@given(st.lists(st.integers(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_pass(
    values: list[int], share: float
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9
    smaller = [value for value in ordered if value < found]
    assert len(smaller) < share * len(ordered) + 1e-9


def test_names_are_counted_with_their_share_of_the_path() -> None:
    trace = read_trace(
        [
            span("run", None, 0, 10),
            span("a", "run", 0, 4, name="x"),
            span("b", "run", 4, 10, name="x"),
        ]
    )
    first = names_of(trace, times_of(trace))[0]
    assert (first.name, first.count, first.path_ns, first.most_ns) == ("x", 2, 10 * MS, 6 * MS)
