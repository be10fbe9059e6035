"""Our provider does what OpenTelemetry's API says, and both have one current span."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from opentelemetry import context as api_context
from opentelemetry import trace as api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode

from holdfast.clock import SystemClock
from holdfast.tracing.current import Link, adopt
from holdfast.tracing.kept import Kept
from holdfast.tracing.otel.installing import install
from holdfast.tracing.tracer import Tracer


def test_their_spans_hang_below_ours_and_ours_below_theirs(tracer: Tracer, kept: Kept) -> None:
    theirs = api.get_tracer("lib", "1.0")
    with tracer.span("run", trace_id="a" * 32), theirs.start_as_current_span("theirs"):
        with tracer.span("ours"), theirs.start_as_current_span("deep"):
            pass
        with theirs.start_as_current_span("beside"):
            pass
    assert kept["theirs"].parent_id == kept["run"].span_id
    assert kept["ours"].parent_id == kept["theirs"].span_id
    assert kept["deep"].parent_id == kept["ours"].span_id
    assert kept["beside"].parent_id == kept["theirs"].span_id
    assert {span.trace_id for span in kept.spans} == {"a" * 32}
    assert (kept["theirs"].source.scope, kept["theirs"].source.scope_version) == ("lib", "1.0")


def test_what_an_instrumentor_says_of_itself_comes_back_even_if_json_has_no_word_for_it(
    tracer: Tracer, kept: Kept
) -> None:
    assert tracer
    for number, said in enumerate((math.nan, math.inf, 2**70, b"\xff", 0.5)):
        with api.get_tracer("lib", attributes={"said": said}).start_as_current_span(f"{number}"):
            pass
        told = kept[f"{number}"].source.scope_attributes["said"]
        assert repr(told) == repr(said)


def test_the_current_span_is_seen_from_both_sides(tracer: Tracer) -> None:
    assert not api.get_current_span().get_span_context().is_valid
    with tracer.span("ours", trace_id="b" * 32) as ours:
        seen = api.get_current_span()
        assert seen.get_span_context().span_id == int(ours.span_id, 16)
        seen.set_attribute("from", "otel")
        with api.get_tracer("x").start_as_current_span("theirs") as theirs:
            current = tracer.current()
            assert current is not None
            assert int(current.span_id, 16) == theirs.get_span_context().span_id
        assert ours.attributes["from"] == "otel"


async def test_tasks_have_the_span_that_was_current_where_they_began(
    tracer: Tracer, kept: Kept
) -> None:
    theirs = api.get_tracer("x")

    async def work(number: int) -> None:
        with theirs.start_as_current_span(f"task {number}"):
            await asyncio.sleep(0)
            with tracer.span(f"inner {number}"):
                await asyncio.sleep(0)

    with tracer.span("run", trace_id="c" * 32), theirs.start_as_current_span("outer"):
        await asyncio.gather(*map(work, range(4)))
    for number in range(4):
        assert kept[f"task {number}"].parent_id == kept["outer"].span_id
        assert kept[f"inner {number}"].parent_id == kept[f"task {number}"].span_id


def test_a_span_says_all_that_it_was_told(tracer: Tracer, kept: Kept) -> None:
    linked = api.SpanContext(5, 6, is_remote=True)
    span = api.get_tracer("x", schema_url="s", attributes={"k": 1}).start_span(
        "first", kind=SpanKind.CLIENT, attributes={"a": [1, 2]}, links=[api.Link(linked, {"l": 1})],
        start_time=1000,
    )  # fmt: skip
    span.set_attributes({"b": "c"})
    span.add_event("tick", {"n": 1}, 1500)
    span.update_name("last")
    span.set_status(StatusCode.ERROR, "bad")
    span.set_status(StatusCode.UNSET)
    span.end(3000)
    span.set_attribute("late", 1)
    span.end(9000)
    (made,) = kept.spans
    assert (made.name, made.kind, made.start_ns, made.duration_ns) == ("last", "client", 1000, 2000)
    assert (made.status, made.error) == ("error", "bad")
    assert made.attributes == {"a": [1, 2], "b": "c"}
    assert [(each.name, each.at_ns, each.attributes) for each in made.events] == [
        ("tick", 1500, {"n": 1})
    ]
    assert made.links[0].span_id == f"{6:016x}"
    assert (made.source.scope_schema, made.source.scope_attributes) == ("s", {"k": 1})
    assert not span.is_recording()


def test_ok_is_final_and_unset_is_the_usual(tracer: Tracer, kept: Kept) -> None:
    with api.get_tracer("x").start_as_current_span("one") as span:
        span.set_status(Status(StatusCode.OK))
        span.set_status(StatusCode.ERROR, "too late")
    with api.get_tracer("x").start_as_current_span("two"):
        pass
    assert (kept["one"].status, kept["two"].status) == ("ok", "unset")


def test_an_exception_is_recorded_and_goes_on(tracer: Tracer, kept: Kept) -> None:
    with pytest.raises(ValueError, match="boom"), api.get_tracer("x").start_as_current_span("one"):
        raise ValueError("boom")
    assert (kept["one"].status, kept["one"].error) == ("error", "ValueError: boom")
    assert kept["one"].events[0].attributes["exception.type"] == "ValueError"


def test_parents_elsewhere_are_kept_and_those_sampled_out_record_nothing(
    tracer: Tracer, kept: Kept
) -> None:
    def remote(flags: int) -> object:
        context = api.SpanContext(7, 8, is_remote=True, trace_flags=api.TraceFlags(flags))
        return api.set_span_in_context(api.NonRecordingSpan(context), api_context.Context())

    theirs = api.get_tracer("x")
    theirs.start_span("kept", context=remote(1)).end()  # type: ignore[arg-type]
    silent = theirs.start_span("out", context=remote(0))  # type: ignore[arg-type]
    assert not silent.is_recording()
    (made,) = kept.spans
    assert (made.trace_id, made.parent_id) == (f"{7:032x}", f"{8:016x}")


def test_outside_of_any_trace_their_spans_begin_one(tracer: Tracer, kept: Kept) -> None:
    with api.get_tracer("x").start_as_current_span("top"):
        pass
    assert kept["top"].parent_id is None
    assert len(kept["top"].trace_id) == 32


def test_a_function_may_be_decorated(tracer: Tracer, kept: Kept) -> None:
    @api.get_tracer("x").start_as_current_span("decorated")
    def work() -> int:
        return 3

    assert [work(), work()] == [3, 3]
    assert [span.name for span in kept.spans] == ["decorated", "decorated"]


def test_where_the_sdk_was_first_we_listen_to_it_once(api_reset: None) -> None:
    kept = Kept()
    api.set_tracer_provider(TracerProvider())
    tracer = Tracer(clock=SystemClock(), sink=kept)
    assert install(tracer) == "processor"
    assert install(tracer) == "processor"
    theirs = api.get_tracer("lib", "2")
    with theirs.start_as_current_span("outer", attributes={"a": 1}) as outer:
        outer.add_event("tick")
        with pytest.raises(KeyError), theirs.start_as_current_span("inner"):
            raise KeyError("k")
        with tracer.span("ours"):
            pass
    assert [span.name for span in kept.spans] == ["inner", "ours", "outer"]
    assert kept["inner"].parent_id == kept["ours"].parent_id == kept["outer"].span_id
    assert (kept["inner"].status, kept["outer"].status) == ("error", "unset")
    assert (kept["outer"].attributes, kept["outer"].source.scope) == ({"a": 1}, "lib")
    assert kept["outer"].source.resource["telemetry.sdk.language"] == "python"


def test_a_second_tracer_takes_over(tracer: Tracer, kept: Kept) -> None:
    theirs = api.get_tracer("x")
    other = Kept()
    assert install(Tracer(clock=SystemClock(), sink=other)) == "provider"
    theirs.start_span("late").end()
    assert (len(kept.spans), len(other.spans)) == (0, 1)


def test_what_was_current_before_we_came_stays_so(api_reset: None) -> None:
    kept = Kept()
    api.set_tracer_provider(TracerProvider())
    theirs = api.get_tracer("lib", attributes={"k": 1})
    tracer = Tracer(clock=SystemClock(), sink=kept)
    with theirs.start_as_current_span("before"):
        install(tracer)
        with tracer.span("ours"), theirs.start_as_current_span("inside"):
            pass
    assert kept["inside"].parent_id == kept["ours"].span_id
    assert kept["ours"].parent_id == kept["before"].span_id
    assert kept["before"].source.scope_attributes == {"k": 1}
    assert not api.get_current_span().get_span_context().is_valid


def test_below_a_current_parent_elsewhere_its_flag_and_state_count(
    tracer: Tracer, kept: Kept
) -> None:
    theirs = api.get_tracer("x")
    state = api.TraceState([("k", "v")])
    wanted, out = (
        api.NonRecordingSpan(api.SpanContext(7, 8, True, api.TraceFlags(flags), state))
        for flags in (1, 0)
    )
    with (
        api.use_span(wanted),
        theirs.start_as_current_span("outer"),
        theirs.start_as_current_span("inner") as span,
    ):
        assert span.get_span_context().trace_state == state
    with api.use_span(out), theirs.start_as_current_span("silent") as span:
        assert not span.is_recording()
        assert not theirs.start_span("silent too").is_recording()
    assert [(each.name, each.state) for each in kept.spans] == [("inner", "k=v"), ("outer", "k=v")]
    assert kept["outer"].parent_id == f"{8:016x}"


@pytest.mark.parametrize("wrong", [5, [None], object()])
def test_what_makes_no_sense_is_left_out_and_raises_nothing(
    tracer: Tracer, kept: Kept, wrong: Any
) -> None:
    theirs = api.get_tracer("x", attributes=wrong)
    span = theirs.start_span(
        wrong, context=wrong, kind=wrong, attributes=wrong, links=[wrong], start_time=wrong
    )
    span.set_attribute(wrong, 1)
    span.set_attributes(wrong)
    span.add_event(wrong, wrong, wrong)
    span.add_link(wrong, wrong)
    span.update_name(wrong)
    span.set_status(wrong, wrong)
    span.record_exception(wrong, wrong, wrong)
    span.end(wrong)
    (made,) = kept.spans
    assert (made.attributes, made.links, made.status, made.kind) == ({}, (), "unset", "internal")


def test_a_trace_whose_id_is_no_number_hurts_nobody(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("ours", trace_id="no number"):
        assert not api.get_current_span().get_span_context().is_valid
        api.get_tracer("x").start_span("theirs").end()
    assert kept["theirs"].parent_id == kept["ours"].span_id


async def test_the_span_of_a_coroutine_lasts_until_it_has_ended(tracer: Tracer, kept: Kept) -> None:
    @api.get_tracer("x").start_as_current_span("outer")
    async def work() -> None:
        await asyncio.sleep(0)
        with tracer.span("inner"):
            pass

    await work()
    assert [span.name for span in kept.spans] == ["inner", "outer"]
    assert kept["inner"].parent_id == kept["outer"].span_id


def test_a_process_that_continues_a_trace_lets_their_spans_be_innermost(
    tracer: Tracer, kept: Kept
) -> None:
    adopt(Link("d" * 32, "e" * 16))
    try:
        with api.get_tracer("x").start_as_current_span("theirs"), tracer.span("ours"):
            pass
    finally:
        adopt(None)
    assert kept["theirs"].parent_id == "e" * 16
    assert kept["ours"].parent_id == kept["theirs"].span_id
