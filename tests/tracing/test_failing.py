"""A span says how its block ended and, of an exception, all there is to know."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from holdfast.testing.clock import ManualClock
from holdfast.tracing.active import WITHHELD
from holdfast.tracing.kept import Kept
from holdfast.tracing.span import Span, Value
from holdfast.tracing.tracer import Link, Prepare, Tracer

TRACE = "a" * 32


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start_ms=1_000_000)


@pytest.fixture
def tracer(kept: Kept, clock: ManualClock) -> Tracer:
    return Tracer(clock=clock, sink=kept)


def fail(tracer: Tracer, error: BaseException, name: str = "span") -> None:
    with pytest.raises(type(error)), tracer.span(name, trace_id=TRACE):
        raise error


def told(span: Span) -> Mapping[str, Value]:
    (event,) = span.events
    assert event.name == "exception"
    return event.attributes


def test_an_exception_is_told_as_opentelemetry_does(tracer: Tracer, kept: Kept) -> None:
    fail(tracer, UnicodeError("no\nway"))
    span = kept["span"]
    assert (span.status, span.error) == ("error", "UnicodeError: no\nway")
    attributes = told(span)
    assert attributes["exception.type"] == "UnicodeError"
    assert attributes["exception.message"] == "no\nway"
    assert "raise error" in str(attributes["exception.stacktrace"])
    frames = attributes["exception.frames"]
    assert isinstance(frames, list)
    assert frames[-1]["function"] == "fail"
    assert frames[-1]["in_app"] is True
    assert "exception.chain" not in attributes


def test_the_causes_of_an_exception_are_listed(tracer: Tracer, kept: Kept) -> None:
    def load() -> None:
        try:
            try:
                raise KeyError("a")
            except KeyError:
                raise OSError("b")  # noqa: B904 - the context is what is tested
        except OSError as error:
            raise ValueError("c") from error

    with pytest.raises(ValueError, match="c"), tracer.span("span", trace_id=TRACE):
        load()
    assert told(kept["span"])["exception.chain"] == [
        {"type": "OSError", "message": "b", "relation": "cause"},
        {"type": "KeyError", "message": "'a'", "relation": "context"},
    ]


def test_the_members_of_a_group_are_causes_too(tracer: Tracer, kept: Kept) -> None:
    fail(tracer, ExceptionGroup("all", [ValueError("a"), ExceptionGroup("b", [OSError("c")])]))
    chain = told(kept["span"])["exception.chain"]
    assert isinstance(chain, list)
    assert [each["message"] for each in chain] == ["a", "b (1 sub-exception)", "c"]
    assert {each["relation"] for each in chain} == {"group"}


def test_causes_that_go_round_in_a_circle_are_told_once(tracer: Tracer, kept: Kept) -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    fail(tracer, one)
    assert len(told(kept["span"])["exception.chain"]) == 1  # type: ignore[arg-type]


def test_only_the_span_where_it_began_tells_all(tracer: Tracer, kept: Kept) -> None:
    with (
        pytest.raises(ValueError, match="x"),
        tracer.span("outer", trace_id=TRACE),
        tracer.span("inner"),
    ):
        raise ValueError("x")
    assert "exception.stacktrace" in told(kept["inner"])
    outer = told(kept["outer"])
    assert outer["exception.origin"] == kept["inner"].span_id
    assert "exception.stacktrace" not in outer
    assert (kept["outer"].status, kept["outer"].error) == ("error", "ValueError: x")


def test_an_error_that_is_raised_in_another_trace_tells_all_again(
    tracer: Tracer, kept: Kept
) -> None:
    error = ValueError("shared")
    fail(tracer, error)
    with pytest.raises(ValueError, match="shared"), tracer.span("other", trace_id="b" * 32):
        raise error
    assert "exception.stacktrace" in told(kept["other"])


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Closed(Exception):
    @property
    def __dict__(self):  # type: ignore[override]
        raise RuntimeError("no")


def test_an_exception_that_cannot_be_shown_hurts_nobody(tracer: Tracer, kept: Kept) -> None:
    fail(tracer, Mute())
    assert "cannot be shown" in kept["span"].error
    fail(tracer, Closed())
    assert told(kept["span"])["exception.untold"] == "RuntimeError"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (type("Cancelled", (BaseException,), {})(), "cancelled"),
        (SystemExit(0), "ok"),
        (SystemExit(), "ok"),
        (SystemExit(3), "error"),
        (ValueError(), "error"),
    ],
)
def test_how_a_block_ended(tracer: Tracer, kept: Kept, error: BaseException, status: str) -> None:
    fail(tracer, error)
    assert kept["span"].status == status
    assert bool(kept["span"].events) == (status == "error")


def test_a_deep_recursion_is_told_whole_and_its_frames_are_bounded(
    tracer: Tracer, kept: Kept
) -> None:
    def recurse() -> None:
        recurse()

    with pytest.raises(RecursionError), tracer.span("span", trace_id=TRACE):
        recurse()
    attributes = told(kept["span"])
    assert "more times" in str(attributes["exception.stacktrace"])
    assert len(attributes["exception.frames"]) == 100  # type: ignore[arg-type]


def prepared(prepare: Prepare, kept: Kept, clock: ManualClock) -> Tracer:
    return Tracer(clock=clock, sink=kept, prepare=prepare)


def test_all_values_of_a_span_are_prepared(kept: Kept, clock: ManualClock) -> None:
    def hide(attributes: dict[str, Value]) -> Mapping[str, Value]:
        return {
            name: "***" if "secret" in str(value) else value for name, value in attributes.items()
        }

    tracer = prepared(hide, kept, clock)
    span = tracer.start("span", trace_id=TRACE, attributes={"size": 1, "key": "secret"})
    span.event("happened", what="secret")
    span.link(Link(TRACE, "b" * 16), why="secret")
    span.fail(ValueError("the secret"))
    span.end()
    found = kept["span"]
    assert "secret" not in repr(found)
    assert (found.attributes, found.error) == ({"size": 1, "key": "***"}, "***")


def test_a_long_error_is_told_by_its_beginning(kept: Kept, clock: ManualClock) -> None:
    tracer = prepared(
        lambda values: {name: {"$payload": "text", "preview": "begin"} for name in values},
        kept,
        clock,
    )
    fail(tracer, ValueError("x" * 9999))
    assert kept["span"].error == "begin"


def test_what_could_not_be_prepared_is_withheld(kept: Kept, clock: ManualClock) -> None:
    def broken(attributes: dict[str, Value]) -> Mapping[str, Value]:
        raise RuntimeError("no")

    fail(prepared(broken, kept, clock), ValueError("secret"))
    span = kept["span"]
    assert (span.attributes, span.error) == ({WITHHELD: "RuntimeError"}, "withheld")
    assert (span.status, span.events) == ("error", ())


def test_durations_do_not_follow_a_clock_that_jumps(kept: Kept) -> None:
    clock = Jumping()
    tracer = Tracer(clock=clock, sink=kept)
    with tracer.span("outer", trace_id=TRACE):
        clock.wall_ms += 3_600_000
        clock.ns += 1000
        with tracer.span("inner"):
            clock.ns += 500
            clock.wall_ms -= 9_000_000
    with tracer.span("next", trace_id="b" * 32):
        clock.ns += 10
    outer, inner, after = kept["outer"], kept["inner"], kept["next"]
    assert (outer.duration_ns, inner.duration_ns, after.duration_ns) == (1500, 500, 10)
    assert outer.start_ns + 1000 == inner.start_ns
    assert after.start_ns == clock.wall_ms * 1_000_000


def test_a_clock_that_trembles_does_not_move_the_anchor(kept: Kept) -> None:
    clock = Jumping()
    tracer = Tracer(clock=clock, sink=kept)
    for wall in (5, -5, 20):
        clock.wall_ms += wall
        clock.ns += 1
        tracer.start(str(wall), parent=None).end()
    starts = [span.start_ns for span in kept.spans]
    assert starts == [starts[0], starts[0] + 1, starts[0] + 2]


class Jumping(ManualClock):
    """A clock whose two faces are set apart."""

    def __init__(self) -> None:
        super().__init__()
        self.wall_ms = 1_000_000_000
        self.ns = 7_000

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_ns(self) -> int:
        return self.ns


def test_times_may_be_given(tracer: Tracer, kept: Kept, clock: ManualClock) -> None:
    tracer.start("given", parent=None, start_ns=5_000, attributes={"a": 1}).end(7_000)
    tracer.start("backwards", parent=None, start_ns=5_000).end(4_000)
    span = tracer.start("open end", parent=None, start_ns=clock.now_ms() * 1_000_000 - 40)
    span.end(status="unset", error="gone")
    span.end(status="ok")
    given, backwards, late = kept["given"], kept["backwards"], kept["open end"]
    assert (given.start_ns, given.duration_ns, given.attributes) == (5_000, 2_000, {"a": 1})
    assert (backwards.start_ns, backwards.duration_ns) == (5_000, 0)
    assert (late.duration_ns, late.status, late.error) == (40, "unset", "gone")


def test_outside_of_a_trace_a_span_takes_everything_and_records_nothing(
    tracer: Tracer, kept: Kept
) -> None:
    with tracer.span("alone") as span, span.use():
        span.set(a=1)
        span.event("happened")
        span.link(Link(TRACE, None))
        span.rename("other")
        with tracer.span("inside"):
            assert tracer.current() is None
        span.end()
    with pytest.raises(ValueError, match="x"), tracer.span("alone"):
        raise ValueError("x")
    assert (kept.spans, kept.open, tracer.current_link()) == ([], (), None)
