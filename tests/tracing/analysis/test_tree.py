"""The tree of a trace holds every span once, whatever its spans say."""

from __future__ import annotations

import pytest
from hypothesis import given

from holdfast.tracing.analysis.tree import tree_of
from holdfast.tracing.span import Source, Span
from tests.tracing.analysis.making import MS, span, tree, wild

HERE, THERE = Source(resource={"host.name": "here"}), Source(resource={"host.name": "there"})


def test_parents_stand_before_children_and_siblings_in_the_order_in_which_they_began() -> None:
    made = tree(
        span("c", "b", 3, 4), span("d", "a", 1, 2), span("a", None, 0, 9), span("b", "a", 2, 5)
    )
    assert [each.span_id for each in made.spans] == ["a", "d", "b", "c"]
    assert list(made.parents) == [-1, 0, 0, 2]
    assert list(made.depths) == [0, 1, 1, 2]
    assert list(made.stops) == [4, 2, 4, 4]


def test_a_span_whose_parent_is_not_there_stands_at_the_top_and_is_named() -> None:
    made = tree(span("a", None, 0, 9), span("b", "gone", 2, 5))
    assert list(made.roots) == [0, 1]
    assert made.orphans == ["b"]


def test_a_circle_is_cut_where_it_began() -> None:
    made = tree(
        span("a", "c", 1, 9), span("b", "a", 2, 5), span("c", "b", 3, 4), span("d", "c", 3, 4)
    )
    assert [each.span_id for each in made.spans] == ["a", "b", "c", "d"]
    assert made.cut == ["a"]
    assert made.orphans == []


def test_what_hangs_below_a_circle_stays_there() -> None:
    made = tree(
        span("early", "c", 0, 1), span("a", "c", 1, 9), span("b", "a", 2, 5), span("c", "b", 3, 4)
    )
    assert (made.cut, len(made.roots)) == (["a"], 1)
    assert made.spans[made.parents[made.numbers()["early"]]].span_id == "c"


def test_of_doubles_the_finished_one_counts() -> None:
    made = tree(span("a", None, 0, 9), span("a", None, 0, 5, status="open"), span("b", None, 1, 2))
    assert made.spans[0].duration_ns == 9 * MS
    assert made.doubles == ("a",)


def test_the_clock_of_another_process_is_set_right_by_as_little_as_is_needed() -> None:
    made = tree(
        span("call", None, 100, 200, source=HERE),
        span("serve", "call", 5, 65, source=THERE),
        span("query", "serve", 15, 25, source=THERE),
    )
    assert made.shifts == {"serve": 95 * MS, "query": 95 * MS}
    assert [begin // MS for begin in made.begins] == [100, 100, 110]


def test_a_clock_that_is_ahead_is_put_back() -> None:
    made = tree(
        span("call", None, 100, 200, source=HERE), span("serve", "call", 190, 250, source=THERE)
    )
    assert made.shifts == {"serve": -50 * MS}


def test_all_calls_of_a_process_are_shifted_alike_if_that_fits_all() -> None:
    made = tree(
        span("top", None, 0, 1000, source=HERE),
        span("one", "top", 100, 200, source=HERE),
        span("two", "top", 300, 400, source=HERE),
        span("serve one", "one", 60, 150, source=THERE),
        span("serve two", "two", 265, 355, source=THERE),
    )
    assert made.shifts == {"serve one": 40 * MS, "serve two": 40 * MS}


def test_what_was_only_sent_off_may_begin_after_its_sender() -> None:
    made = tree(
        span("send", None, 0, 10, kind="producer", source=HERE),
        span("work", "send", 500, 505, kind="consumer", source=THERE),
    )
    assert made.shifts == {}


def test_a_child_that_outlives_its_parent_in_one_process_keeps_its_times() -> None:
    made = tree(span("a", None, 0, 10, source=HERE), span("b", "a", 5, 50, source=HERE))
    assert made.shifts == {}
    assert made.end == 50 * MS


@given(wild())
def test_every_span_is_there_once_and_lies_below_its_parent(spans: list[Span]) -> None:
    made = tree_of(spans)
    ids = [each.span_id for each in made.spans]
    assert sorted(ids) == sorted({each.span_id for each in spans})
    for number, parent in enumerate(made.parents):
        assert parent < number < made.stops[number] <= len(ids)
        if parent >= 0:
            assert made.spans[number].parent_id == ids[parent]
            assert number in made.children[parent]
            assert made.stops[number] <= made.stops[parent]
            assert made.depths[number] == made.depths[parent] + 1
        elif made.spans[number].parent_id:
            assert ids[number] in [*made.orphans, *made.cut]
    for children in (made.roots, *made.children):
        assert [made.begins[each] for each in children] == sorted(
            made.begins[each] for each in children
        )


@pytest.mark.parametrize("size", [100_000])
def test_a_hundred_thousand_spans_deep_is_no_trouble(size: int) -> None:
    made = tree_of([span(str(n), str(n - 1) if n else None, n, 2 * size - n) for n in range(size)])
    assert made.depths[-1] == size - 1
    assert len(made.way_up(size - 1)) == size - 1
