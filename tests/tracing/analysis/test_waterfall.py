"""Any trace is shown in a few lines, and what is left out is counted."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.tracing.analysis.folding import fold
from holdfast.tracing.analysis.suspects import case_of
from holdfast.tracing.analysis.trace import read_trace
from holdfast.tracing.span import Span
from holdfast.tracing.waterfall import bar, text_of, total_ns
from tests.tracing.analysis.making import MS, nested, span, wild

RUN = span("run", None, 0, 100, kind="run")


def rows(*spans: Span) -> list[tuple[str, int, str]]:
    return [(row.name, row.depth, row.kind) for row in fold(case_of(read_trace(spans)))]


def drawn(*spans: Span, width: int = 10) -> dict[str, str]:
    found = fold(case_of(read_trace(spans)))
    return {row.name: bar(row, total_ns(found), width) for row in found}


def test_more_than_five_siblings_of_one_name_are_one_row_with_count_sum_and_p95() -> None:
    many = [span(f"s{n}", "run", n * 10, n * 10 + n + 1, name="search") for n in range(7)]
    (group,) = [row for row in fold(case_of(read_trace([RUN, *many]))) if row.kind == "group"]
    assert (group.name, group.count, group.sum_ns, group.p95_ns) == (
        "search x7",
        7,
        28 * MS,
        7 * MS,
    )
    assert ("search x5", 1, "group") not in rows(RUN, *many[:5])


def test_a_suspect_is_never_hidden_in_a_group() -> None:
    many = [span(f"s{n}", "run", n * 5, n * 5 + 5, name="search") for n in range(8)]
    many.append(span("bad", "run", 50, 60, name="search", status="error", error="OSError: x"))
    found = fold(case_of(read_trace([RUN, *many])))
    assert [row.span.span_id for row in found if row.kind == "span"] == ["run", "bad"]


def test_tries_of_one_call_are_one_row_with_its_pauses() -> None:
    tries = [
        span("t1", "run", 0, 20, name="get", status="error"),
        span("t2", "run", 40, 60, name="get", status="error"),
        span("t3", "run", 80, 100, name="get"),
    ]
    assert rows(RUN, *tries) == [("run", 0, "span"), ("get x3", 1, "tries")]
    assert drawn(RUN, *tries)["get x3"] == "xx··xx··██"


def test_time_that_no_child_explains_is_a_row() -> None:
    found = rows(RUN, span("a", "run", 0, 40), span("b", "run", 60, 100))
    assert found == [
        ("run", 0, "span"), ("a", 1, "span"), ("unaccounted", 1, "gap"), ("b", 1, "span"),
    ]  # fmt: skip


def test_bars_tell_own_time_waiting_and_the_first_token_apart() -> None:
    spans = (
        RUN, span("ask", "run", 20, 40, kind="human"),
        span("step", "run", 40, 100), span("call", "step", 60, 100),
    )  # fmt: skip
    found = drawn(*spans)
    assert found["run"] == "▒▒────────"
    assert found["ask"] == "  ··      "
    assert found["step"] == "    ▒▒────"
    assert found["call"] == "      ████"


def test_the_text_says_the_verdict_first_and_draws_the_tree() -> None:
    text = text_of([RUN, span("a", "run", 0, 90, name="read")])
    head, verdict, bill, blank, first, *_ = text.splitlines()
    assert head == f"run  {RUN.trace_id}  ok  100 ms  2 spans"
    assert verdict == "read is 90 % of the critical path (90 ms)"
    assert bill == "no model was called"
    assert blank == ""
    assert first.startswith("* run ")
    assert "all 2 spans are shown" in text


@given(wild(most=40), st.integers(0, 60), st.integers(10, 140))
def test_any_trace_fits_and_cannot_move_the_cursor(
    spans: list[Span], lines: int, width: int
) -> None:
    text = text_of(spans, lines=lines, width=width)
    said = text.splitlines()
    assert 0 < len(said) <= max(10, lines)
    assert all(len(line) <= max(24, width) for line in said)
    assert all(each.isprintable() for line in said for each in line)


@pytest.mark.parametrize("width", [30, 60, 80, 140])
def test_a_narrow_terminal_keeps_what_tells_most(width: int) -> None:
    name = "an agent whose name somebody wrote as a long sentence"
    why = "connection reset by peer while reading the answer of a server far away " * 2
    run = span("run", None, 0, 100, kind="run", name=name, status="error")
    text = text_of(
        [run, span("a", "run", 0, 90, name="read", status="error", error=why)], width=width
    )
    said = " ".join(text.split())
    assert run.trace_id[:8] in said
    assert "2 spans, 2 failed" in said
    assert "failed at read because connection reset by peer" in said
    assert ("|" in text) == (width >= 60)
    assert ("░ to the first token" in said) == (width >= 60)


@given(nested(most=60), st.integers(10, 40))
def test_no_row_is_shown_without_the_one_above_it(spans: list[Span], lines: int) -> None:
    text = text_of(spans, lines=lines, width=120)
    depths = [
        (len(match[1]) // 2)
        for line in text.splitlines()
        if (match := re.match(r"[* ] ( *)\S.*\|", line))
    ]
    assert depths[0] == 0
    for above, below in pairwise(depths):
        assert below <= above + 1


@given(nested(most=60), st.integers(10, 40))
def test_what_is_left_out_is_counted(spans: list[Span], lines: int) -> None:
    text = text_of(spans, lines=lines, width=140)
    found = re.search(r"left out: ([\d,]+) of ([\d,]+) spans", text)
    if found is None:
        assert re.search(r"all \d+ spans? (?:is|are) shown", text)
    else:
        assert 0 < int(found[1]) < int(found[2]) == len(spans)


@pytest.mark.parametrize("size", [20_000])
def test_a_deep_and_a_wide_trace_fit(size: int) -> None:
    deep = [span(str(n), str(n - 1) if n else None, n, 4 * size - n, name="f") for n in range(size)]
    wide = [
        RUN,
        *(span(str(n), "run", n / 1000, n / 1000 + 1, name=f"n{n % 7}") for n in range(size)),
    ]
    for spans in (deep, wide):
        text = text_of(spans)
        assert len(text.splitlines()) <= 40
        assert re.search(rf"(?:left out: [\d,]+ of|all) {len(spans):,} spans", text)


def test_there_is_a_text_for_no_spans() -> None:
    assert text_of([]) == "there are no spans\n"
