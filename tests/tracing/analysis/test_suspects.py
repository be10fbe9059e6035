"""What went wrong is found and said, also when no span is marked as failed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from benchmarks.ours.faults import SHAPES, TUNED, cases, place_of
from benchmarks.ours.injecting import FAULTS, inject
from benchmarks.ours.speaking import SPEECHES
from holdfast.frozen import replace
from holdfast.tracing.analysis.suspects import case_of, rank_suspects
from holdfast.tracing.analysis.trace import read_trace
from holdfast.tracing.analysis.verdict import verdict_of
from holdfast.tracing.span import Span, SpanLink
from tests.tracing.analysis.making import span, wild


def classes(*spans: Span) -> list[tuple[str, str]]:
    """Return the classes of what was found without being marked as failed, and their first spans."""
    case = case_of(read_trace(spans))
    return [
        (each.error_class.value, case.trace.span(each.numbers[0]).span_id) for each in case.findings
    ]


def tool(
    id_: str, parent: str, begin: float, end: float, arguments: object, output: object = "ok"
) -> Span:
    return span(
        id_, parent, begin, end, name="execute_tool look", kind="internal",
        **{
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look",
            "gen_ai.tool.call.arguments": json.dumps(arguments),
            "gen_ai.tool.call.result": json.dumps(output),
        },
    )  # fmt: skip


def model(id_: str, parent: str, begin: float, end: float, finish: str, said: str = "yes") -> Span:
    return span(
        id_, parent, begin, end, name="chat m", kind="client",
        **{
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
            "gen_ai.response.finish_reasons": [finish],
            "gen_ai.output.messages": json.dumps(
                [{"role": "assistant", "parts": [{"type": "text", "content": said}]}]
            ),
        },
    )  # fmt: skip


RUN = span("run", None, 0, 1000, kind="run")


def test_four_tries_of_one_call_are_a_storm_and_three_are_none() -> None:
    def tries(count: int) -> list[Span]:
        failed = [
            span(f"t{n}", "run", n * 10, n * 10 + 5, name="get", kind="tool", status="error")
            for n in range(count - 1)
        ]
        return [*failed, span("last", "run", 900, 905, name="get", kind="tool")]

    assert ("retry_storm", "t0") in classes(RUN, *tries(4))
    assert "retry_storm" not in dict(classes(RUN, *tries(3)))
    other = span("other", "run", 950, 960, name="put", kind="tool")
    assert "retry_storm" not in dict(classes(RUN, *tries(3), other))
    again = span("again", "run", 950, 960, name="get", kind="tool")  # it works, mostly
    assert "retry_storm" not in dict(classes(RUN, *tries(4), again))


def test_attempts_that_a_span_counts_are_a_storm() -> None:
    assert classes(RUN, span("s", "run", 0, 5, attempts=6)) == [("retry_storm", "s")]
    assert classes(RUN, span("s", "run", 0, 5, attempts=3)) == []
    assert classes(RUN, span("s", "run", 0, 5, attempts=10**9)) == []  # something else is counted


def test_the_same_call_four_times_is_a_loop_and_with_other_arguments_none() -> None:
    same = [tool(f"t{n}", "run", n, n + 1, {"q": "a"}, n) for n in range(4)]
    assert classes(RUN, *same) == [("loop", "t0")]
    assert classes(RUN, *same[:3]) == []
    assert classes(RUN, *[tool(f"t{n}", "run", n, n + 1, {"q": n}) for n in range(9)]) == []


@pytest.mark.parametrize(
    "finish", ["length", "max_tokens", "MAX_TOKENS", "FinishReason.MAX_TOKENS"]
)
def test_an_answer_that_ended_at_its_limit_is_cut_off(finish: str) -> None:
    assert classes(RUN, model("m", "run", 0, 5, finish)) == [("cut_off", "m")]


@pytest.mark.parametrize("finish", ["content_filter", "SAFETY", "refusal"])
def test_an_answer_that_was_withheld_is_refused(finish: str) -> None:
    assert classes(RUN, model("m", "run", 0, 5, finish)) == [("refused", "m")]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('{"a": 1}', []), ('{"a" 1}', [("invalid_output", "m")]), ("plain", []), ("{sic} yes", []),
        ('```json\n{"a": }\n```', [("invalid_output", "m")]), ("[1] is a footnote", []),
    ],
)  # fmt: skip
def test_an_answer_that_begins_like_json_and_is_none_is_told(
    said: str, expected: list[object]
) -> None:
    assert classes(RUN, model("m", "run", 0, 5, "stop", said)) == expected


@pytest.mark.parametrize("output", [[], {}, "", None, {"results": []}])
def test_a_tool_that_gave_nothing_is_told(output: object) -> None:
    assert classes(RUN, tool("t", "run", 0, 5, {"q": 1}, output)) == [("empty_result", "t")]


@pytest.mark.parametrize("output", [0, False, [0], {"results": [1]}, "no"])
def test_a_tool_that_gave_little_gave_something(output: object) -> None:
    assert classes(RUN, tool("t", "run", 0, 5, {"q": 1}, output)) == []


def test_a_branch_that_took_far_longer_than_its_like_is_slow() -> None:
    like = [span(f"s{n}", "run", n * 10, n * 10 + 10, name="read") for n in range(5)]
    slow = span("slow", "run", 60, 900, name="read")
    assert classes(RUN, *like, slow) == [("slow", "slow")]
    assert classes(RUN, *like) == []


def test_the_true_span_is_suspected_first_for_nearly_all_faults() -> None:
    places = [place_of(each) for each in cases(TUNED[:1])]
    assert len(places) >= 60
    assert sum(place == 0 for place in places) / len(places) >= 0.9


@pytest.mark.parametrize("speech", SPEECHES, ids=lambda each: each.name)
def test_every_fault_is_found_in_every_convention(speech: object) -> None:
    missed = [
        fault for fault in FAULTS if fault
        if (made := inject(fault, "agent", SHAPES["agent"], speech=speech, seed=5)) is not None  # pyright: ignore[reportArgumentType]
        and place_of(made) > 2
    ]  # fmt: skip
    assert missed == []


@given(wild())
def test_any_trace_has_a_verdict_whose_spans_are_its_own(spans: list[Span]) -> None:
    ids = {each.span_id for each in spans}
    verdict = verdict_of(spans)
    assert verdict.line.text
    for sentence in (verdict.line, *verdict.support):
        assert set(sentence.span_ids) <= ids
        assert "\n" not in sentence.text
    for suspect in rank_suspects(spans):
        assert suspect.span_id in ids


def line(*spans: Span) -> tuple[str, str, tuple[str, ...]]:
    verdict = verdict_of(spans)
    return verdict.outcome, verdict.line.text, tuple(verdict.line.span_ids)


def test_the_line_names_the_step_and_the_reason_of_a_failure() -> None:
    run = span("run", None, 0, 10, kind="run", status="error", error="OSError: disk is full")
    step = span("s", "run", 1, 9, name="keep", status="error", error="OSError: disk is full")
    call = span(
        "c", "s", 2, 8, name="write", kind="tool", status="error", error="OSError: disk is full"
    )
    assert line(run, step, call) == (
        "failed", "failed at keep (write) because OSError: disk is full", ("c",),
    )  # fmt: skip


def test_the_line_names_what_came_before_a_failure_and_explains_it() -> None:
    error = "JSONDecodeError: Unterminated string starting at: line 1 column 5 (char 4)"
    run = span("run", None, 0, 10, kind="run", status="error", error=error)
    said = model("m", "run", 1, 5, "length", '{"a": "b')
    parse = span("p", "run", 5, 6, name="parse", status="error", error=error)
    outcome, text, ids = line(run, said, parse)
    assert outcome == "failed"
    assert text.startswith(
        "failed at parse because the answer of chat m ended at its limit of tokens"
    )
    assert ids == ("m", "p")


def test_the_line_tells_of_what_went_unnoticed() -> None:
    outcome, text, ids = line(
        RUN, span("c", "run", 0, 5, name="get", status="error", error="OSError: x")
    )
    assert (outcome, ids) == ("doubtful", ("c",))
    assert text == "ended well, but get failed and the run went on (OSError: x)"


def test_nothing_is_said_twice() -> None:
    verdict = verdict_of([RUN, span("s", "run", 0, 900, name="read"), span("w", "run", 900, 990)])
    texts = [verdict.line.text, *(each.text for each in verdict.support)]
    assert sum("critical path" in text for text in texts) == 1


def test_the_line_tells_waiting_apart_from_slowness() -> None:
    outcome, text, _ = line(RUN, span("ask", "run", 0, 900, kind="human"))
    assert (outcome, text) == ("waited", "waited 90 % of its time, mostly for a person")
    outcome, text, ids = line(RUN, span("s", "run", 0, 400, name="read"))
    assert (outcome, ids) == ("slow", ("run",))
    outcome, text, ids = line(RUN, span("s", "run", 0, 900, name="read"))
    assert (outcome, text, ids) == ("slow", "read is 90 % of the critical path (900 ms)", ("s",))


def test_a_run_whose_process_was_told_to_stop_is_not_said_to_wait() -> None:
    run = span("run", None, 0, 10, kind="run", status="ok", stopped="release")
    assert line(run, span("s", "run", 1, 10, name="read", status="cancelled")) == (
        "stopped", "its process was stopped: read was under way for 9.0 ms", ("s",),
    )  # fmt: skip
    assert line(run)[:2] == ("stopped", "its process was stopped between two steps")


def test_the_line_tells_what_was_under_way_at_the_end() -> None:
    open_run = span("run", None, 0, 10, kind="run", status="open")
    assert line(open_run, span("s", "run", 1, 10, name="read", status="open"))[:2] == (
        "open", "still running: read was under way for 9.0 ms",
    )  # fmt: skip
    lost = span("run", None, 0, 10, kind="run", status="lost")
    outcome, text, _ = line(lost, span("s", "run", 1, 10, name="read", status="lost"))
    assert (outcome, text) == ("lost", "its process died: read was under way for at least 9.0 ms")
    _, text, _ = line(lost, span("s", "run", 10, 10, name="read", status="lost"))
    assert text == "its process died: read was under way"
    off = span("run", None, 0, 10, kind="run", status="cancelled")
    outcome, text, _ = line(off, span("s", "run", 1, 10, name="read", status="cancelled"))
    assert (outcome, text) == ("cancelled", "called off: read was under way for 9.0 ms")


def test_the_last_life_of_a_run_decides() -> None:
    first = span("r1", None, 0, 10, name="answer", kind="run", status="lost")
    second = span("r2", None, 20, 30, name="answer", kind="run")
    step = span("s", "r2", 20, 30, name="read")
    verdict = verdict_of([first, second, step])
    assert verdict.outcome in {"slow", "waited"}
    assert "it was taken up again 1 time" in [each.text for each in verdict.support]
    waits = replace(second, attributes={"stopped": "unload"})
    assert line(first, waits, step)[:2] == (
        "waited", "waits: it goes on when what it waits for is there",
    )  # fmt: skip


def test_links_to_other_traces_are_told() -> None:
    linked = replace(RUN, links=(SpanLink(trace_id="b" * 32, span_id="x"),))
    texts = [each.text for each in verdict_of([linked]).support]
    assert f"it is linked to 1 trace: {'b' * 32}" in texts


def test_there_is_a_verdict_on_no_spans() -> None:
    assert verdict_of([]).outcome == "empty"
