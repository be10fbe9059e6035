"""What failed is told with its class, its causes, its place, and where it began."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.testing.clock import ManualClock
from holdfast.tracing.analysis.classes import ErrorClass, class_of
from holdfast.tracing.analysis.errors import Failure, failures_of
from holdfast.tracing.analysis.exceptions import Frame, told_by
from holdfast.tracing.analysis.fingerprints import VERSION, fingerprint_of, template_of
from holdfast.tracing.analysis.trace import read_trace
from holdfast.tracing.kept import Kept
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import Span, Status
from holdfast.tracing.tracer import Tracer
from tests.tracing.analysis.making import raised, span, wild


def failures(*spans: Span) -> dict[str, Failure]:
    return {each.span_id: each for each in failures_of(read_trace(spans))}


def class_by(
    text: str, role: Role = "other", status: Status = "error", **attributes: str | int
) -> ErrorClass:
    made = span("a", None, 0, 1, status=status, error=text, **attributes)
    return class_of(made, role, told_by(made))


@pytest.mark.parametrize(
    ("text", "role", "expected"),
    [
        ("RateLimitError: Error code: 429 - slow down", "model", "rate_limit"),
        ("BadRequestError: This model's maximum context length is 8192 tokens", "model", "context_overflow"),
        ("anthropic.BadRequestError: prompt is too long: 210000 tokens", "model", "context_overflow"),
        ("TimeoutError: ", "tool", "timeout"),
        ("openai.APITimeoutError: Request timed out.", "model", "timeout"),
        ("httpx.ReadTimeout: ", "http", "timeout"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "http", "network"),
        ("socket.gaierror: [Errno -2] Name or service not known", "tool", "network"),
        ("sqlite3.OperationalError: database is locked", "database", "database"),
        ("asyncpg.exceptions.DeadlockDetectedError: deadlock detected", "other", "database"),
        ("AuthenticationError: Error code: 401 - invalid api key", "model", "authentication"),
        ("PermissionError: [Errno 13] Permission denied: '/etc/x'", "tool", "filesystem"),
        ("OSError: [Errno 28] No space left on device", "tool", "filesystem"),
        ("pydantic_core.ValidationError: 1 validation error for Order", "step", "validation"),
        ("JSONDecodeError: Expecting value: line 1 column 1 (char 0)", "step", "invalid_output"),
        ("ModelOutputError: the reply does not fit the declared output", "step", "invalid_output"),
        ("GraphRecursionError: Recursion limit of 25 reached", "agent", "loop"),
        ("MaxTurnsExceeded: Max turns (10) exceeded", "agent", "loop"),
        ("BadRequestError: content management policy", "model", "refused"),
        ("KeyError: 'total'", "step", "program"),
        ("TypeError: 'NoneType' object is not subscriptable", "tool", "program"),
        ("ApprovalRejected: rejected by the reviewer", "other", "human"),
        ("MemoryError: ", "other", "resources"),
        ("ToolError: it would not", "tool", "tool"),
        ("it would not", "tool", "tool"),
        ("it would not", "model", "model"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'a'", "other", "filesystem"),
        ("NotFoundError: Error code: 404 - model not found", "model", "not_found"),
        ("insufficient_quota: you exceeded your current quota", "model", "budget"),
        ("InternalServerError: Error code: 500 - internal server error", "model", "server"),
        ("it would not", "other", "other"),
        ("", "other", "other"),
    ],
)  # fmt: skip
def test_failures_are_put_into_classes(text: str, role: Role, expected: str) -> None:
    assert class_by(text, role) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"http.response.status_code": 429}, "rate_limit"),
        ({"http.status_code": "503"}, "server"),
        ({"error.type": "401"}, "authentication"),
        ({"error.type": "TimeoutError"}, "timeout"),
        ({"rpc.grpc.status_code": 4}, "timeout"),
        ({"rpc.grpc.status_code": 14}, "network"),
        ({"http.response.status_code": 200}, "network"),
    ],
)
def test_codes_tell_the_class_where_no_words_do(
    attributes: dict[str, str | int], expected: str
) -> None:
    assert class_by("", "http", **attributes) == expected


def test_how_a_span_ended_tells_the_class_of_what_it_cannot_tell() -> None:
    assert class_by("", status="lost") is ErrorClass.CRASHED
    assert class_by("", status="cancelled") is ErrorClass.CANCELLED


def test_the_innermost_cause_decides() -> None:
    made = span(
        "a", None, 0, 1, status="error",
        events=raised("WorkflowFailed", "no luck", **{
            "exception.chain": [{"type": "sqlite3.OperationalError", "message": "database is locked"}]
        }),
    )  # fmt: skip
    assert class_of(made, "step", told_by(made)) is ErrorClass.DATABASE


@given(wild())
def test_every_failed_span_has_one_failure_and_each_failure_an_origin(spans: list[Span]) -> None:
    trace = read_trace(spans)
    found = failures_of(trace)
    failed = {number for number in range(len(trace.tree.spans)) if trace.failed(number)}
    assert failed <= {each.number for each in found}
    assert len({each.number for each in found}) == len(found)
    origins = {each.number for each in found if each.origin}
    for each in found:
        below = range(each.number, trace.tree.stops[each.number])
        assert origins & set(below)


def test_it_began_in_the_deepest_span_that_no_failed_child_explains() -> None:
    found = failures(
        span("run", None, 0, 10, status="error", error="OSError: gone"),
        span("step", "run", 1, 9, status="error", error="OSError: gone"),
        span("call", "step", 2, 8, status="error", error="OSError: gone"),
    )
    assert [name for name, each in found.items() if each.origin] == ["call"]
    assert found["call"].passed == ["step", "run"]
    assert found["call"].is_fatal


def test_a_failed_child_under_a_parent_that_went_on_is_swallowed() -> None:
    found = failures(
        span("run", None, 0, 10), span("call", "run", 2, 8, status="error", error="OSError: gone")
    )
    assert found["call"].swallowed
    assert found["call"].origin
    assert not found["call"].is_fatal


def test_a_call_that_worked_later_has_recovered() -> None:
    found = failures(
        span("run", None, 0, 10),
        span("t1", "run", 1, 2, name="get", status="error"),
        span("t2", "run", 3, 4, name="get"),
        span("t3", "run", 5, 6, name="put", status="error"),
    )
    assert found["t1"].recovered
    assert not found["t3"].recovered


def test_a_parent_that_failed_by_itself_later_does_not_blame_its_child() -> None:
    found = failures(
        span("run", None, 0, 10, status="error", error="KeyError: 'total'"),
        span("cache", "run", 1, 2, status="error", error="LookupError: miss"),
        span("work", "run", 3, 9),
    )
    assert found["run"].origin
    assert found["run"].is_fatal
    assert found["cache"].swallowed is False
    assert not found["cache"].is_fatal


def test_of_several_failed_children_the_one_that_the_parent_tells_of_is_to_blame() -> None:
    found = failures(
        span("run", None, 0, 10, status="error", error="OSError: disk"),
        span("a", "run", 1, 2, status="error", error="OSError: disk"),
        span("b", "run", 1, 3, status="error", error="ValueError: no number"),
    )
    assert [name for name, each in found.items() if each.is_fatal] == ["a"]


def test_a_span_that_says_where_its_exception_was_told_first_is_believed() -> None:
    found = failures(
        span(
            "run", None, 0, 10, status="error", events=raised("E", "x", **{"exception.origin": "b"})
        ),
        span("a", "run", 1, 9, status="error", error="E: x"),
        span("b", "run", 1, 3, status="error", error="X: other words"),
    )
    assert found["b"].is_fatal
    assert not found["run"].origin


def test_cancelled_spans_count_where_nothing_above_failed() -> None:
    off = failures(
        span("run", None, 0, 9, status="cancelled"), span("a", "run", 1, 9, status="cancelled")
    )
    assert [name for name, each in off.items() if each.origin] == ["a"]
    stopped = failures(
        span("run", None, 0, 9, status="error", error="OSError: x"),
        span("a", "run", 1, 9, status="cancelled"),
        span("b", "run", 1, 9, status="error", error="OSError: x"),
    )
    assert set(stopped) == {"run", "b"}


def test_a_failure_below_a_span_that_tells_no_status_was_swallowed() -> None:
    for status, swallowed in (("ok", True), ("unset", True), ("error", False)):
        found = failures(
            span("top", None, 0, 9, status=status),
            span("a", "top", 1, 2, name="read", status="error"),
        )
        assert found["a"].swallowed is swallowed


def test_who_was_called_off_or_died_did_not_pass_on_the_failure_of_a_child() -> None:
    for status in ("cancelled", "lost"):
        found = failures(
            span("run", None, 0, 9, status=status),
            span("a", "run", 1, 2, name="read", status="error", error="KeyError: 'a'"),
        )
        assert {name: each.origin for name, each in found.items()} == {"run": True, "a": True}
        assert not found["a"].passed


def test_a_run_that_was_taken_up_again_did_not_fail_in_its_first_life() -> None:
    found = failures(
        span("r1", None, 0, 9, name="answer", kind="run", status="lost"),
        span("s1", "r1", 1, 9, status="lost"),
        span("r2", None, 20, 30, name="answer", kind="run", status="cancelled"),
        span("s2", "r2", 21, 30, status="cancelled"),
        span("r3", None, 40, 50, name="answer", kind="run"),
    )
    assert {name: each.recovered for name, each in found.items()} == {"r1": True, "s1": True}
    assert [name for name, each in found.items() if each.origin] == ["s1"]
    assert not any(each.is_fatal for each in found.values())


def test_a_run_that_was_put_away_to_wait_called_nothing_off() -> None:
    assert not failures(
        span("run", None, 0, 9, kind="run", stopped="unload"),
        span("s", "run", 1, 9, status="cancelled"),
    )


def test_what_the_tracer_tells_of_an_exception_is_read_back() -> None:
    kept = Kept()
    tracer = Tracer(clock=ManualClock(), sink=kept)

    def fail() -> None:
        try:
            int("x")
        except ValueError as error:
            raise RuntimeError("cannot count") from error

    with pytest.raises(RuntimeError), tracer.span("top", trace_id="a" * 32), tracer.span("inner"):
        fail()
    told = told_by(kept["inner"])
    assert (told.kind, told.message) == ("RuntimeError", "cannot count")
    assert [cause.kind for cause in told.causes] == ["RuntimeError", "ValueError"]
    assert told.frames[-1].function.endswith("fail")
    assert told.frames[-1].in_app
    assert told_by(kept["top"]).origin == kept["inner"].span_id


def test_the_stack_of_python_is_read_with_its_causes() -> None:
    try:
        try:
            {}["x"]  # pyright: ignore[reportUnusedExpression]
        except KeyError as error:
            raise ValueError("no such thing") from error
    except ValueError:
        stack = traceback.format_exc()
    made = span("a", None, 0, 1, status="error", events=raised("ValueError", "no such thing", **{"exception.stacktrace": stack}))  # fmt: skip
    told = told_by(made)
    assert [cause.kind for cause in told.causes] == ["ValueError", "KeyError"]
    assert told.causes[0].frames[-1].module.endswith("analysis.test_errors")


def test_the_stacks_of_other_languages_are_read() -> None:
    script = "TypeError: x is undefined\n    at run (/app/src/agent.js:10:5)\n    at node:internal/main:1:1"
    told = told_by(span("a", None, 0, 1, status="error", **{"exception.stacktrace": script}))
    assert told.kind == "TypeError"
    assert [(each.module, each.function, each.in_app) for each in told.causes[0].frames] == [
        ("node:internal.main", "", False), ("src.agent", "run", True),
    ]  # fmt: skip
    java = (
        "java.lang.RuntimeException: no\n\tat com.acme.Agent.run(Agent.java:12)\n"
        "Caused by: java.io.IOException: broken pipe\n\tat java.net.Socket.write(Socket.java:1)"
    )
    told = told_by(span("a", None, 0, 1, status="error", **{"exception.stacktrace": java}))
    assert [cause.kind for cause in told.causes] == [
        "java.lang.RuntimeException",
        "java.io.IOException",
    ]
    assert told.causes[0].frames[0] == Frame(module="com.acme.Agent", function="run", line=12)
    assert not told.causes[1].frames[0].in_app


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 17 not found", "order 4711 not found"),
        ("run-7fa3c2 failed", "run-99b1d0 failed"),
        ("cannot read '/tmp/a/b.txt'", "cannot read '/var/x.txt'"),
        ("no file /tmp/a/b.txt here", "no file /var/x.txt here"),
        ("GET https://a.b/c?d=1 failed", "GET https://x.y/ failed"),
        ("at 2026-01-02T03:04:05Z", "at 2025-12-31T23:59:59.123+01:00"),
        ("id 7c9e6679-7425-40de-944b-e07fc1f90ae7", "id 550e8400-e29b-41d4-a716-446655440000"),
        ("object at 0x7f3a", "object at 0x11ffab"),
        ("mail ann@example.org", "mail bob@example.com"),
        ("values [1, 2, 3]", "values [4, 5]"),
        ("10.0.0.1:80 refused", "192.168.1.2:9000 refused"),
        ('unknown key "a b"', 'unknown key "c"'),
        ("waited 1.5 s", "waited 20 s"),
    ],
)
def test_messages_that_differ_in_what_varies_have_one_template(one: str, other: str) -> None:
    assert template_of(one) == template_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("cannot read", "cannot write"), ("user is missing", "order is missing"), ("a", "")],
)
def test_messages_that_differ_in_words_have_templates_of_their_own(one: str, other: str) -> None:
    assert template_of(one) != template_of(other)


@given(st.text(max_size=300))
def test_a_template_is_its_own_template(text: str) -> None:
    once = template_of(text)
    assert template_of(once) == once or "<" in text  # what looks like a mask already may change


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 999), st.integers(1, 999))
def test_a_fingerprint_forgets_numbers_and_lines(a: int, b: int, one: int, two: int) -> None:
    def print_of(number: int, line: int) -> str:
        made = span(
            "a", None, 0, 1, status="error",
            events=raised("app.OrderError", f"order {number} is gone", **{
                "exception.frames": [
                    {"module": "app.orders", "function": "load", "line": line, "in_app": True},
                    {"module": "json", "function": "loads", "line": number, "in_app": False},
                ]
            }),
        )  # fmt: skip
        return fingerprint_of(told_by(made), place="a")

    assert print_of(a, one) == print_of(b, two)
    assert print_of(a, one).startswith(f"{VERSION:x}")


def test_a_fingerprint_tells_types_places_and_words_apart() -> None:
    def print_of(kind: str, message: str, function: str = "load", place: str = "a") -> str:
        frames = [{"module": "app", "function": function, "in_app": True}] if function else []
        made = span("a", None, 0, 1, status="error", events=raised(kind, message, **{"exception.frames": frames}))  # fmt: skip
        return fingerprint_of(told_by(made), place=place)

    prints = [
        print_of("A", "x"), print_of("B", "x"), print_of("A", "y"), print_of("A", "x", "save"),
        print_of("", "", "", "a"), print_of("", "", "", "b"),
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)
    assert print_of("mod.A", "x") == print_of("A", "x")


def test_a_fingerprint_is_made_of_the_innermost_calls_of_the_application_alone() -> None:
    def fingerprint(*functions: str, library: str) -> str:
        frames = [{"module": "app", "function": each, "in_app": True} for each in functions]
        frames.insert(-1, {"module": "library", "function": library, "in_app": False})
        more = {"exception.frames": frames}
        made = span("a", None, 0, 1, status="error", events=raised("E", "gone", **more))
        return fingerprint_of(told_by(made), place="a")

    ours = [f"call_{letter}" for letter in "abcdefghij"]
    base = fingerprint(*ours, library="send")
    assert base == fingerprint(*ours, library="send_anew")  # a new release of it, say
    assert base == fingerprint("main", *ours[1:], library="send")  # whoever called, far out
    assert base != fingerprint(*ours[:-1], "other", library="send")


def test_the_algorithm_of_fingerprints_does_not_change_without_its_version() -> None:
    frames = [{"module": "app.orders", "function": "load", "line": 3, "in_app": True}]
    made = span(
        "a", None, 0, 1, status="error",
        events=raised("app.OrderError", "order 17 is gone", **{"exception.frames": frames}),
    )  # fmt: skip
    assert VERSION == 1
    assert fingerprint_of(told_by(made), place="a") == "1feadb0fb4013e219"
