"""A failure whose own class says little has the class of the failure below that it passed on."""

from __future__ import annotations

import pytest

from holdfast.tracing.analysis.errors import Failure, failures_of
from holdfast.tracing.analysis.trace import read_trace
from holdfast.tracing.span import Span
from tests.tracing.analysis.making import span


def failures(*spans: Span) -> dict[str, Failure]:
    return {each.span_id: each for each in failures_of(read_trace(spans))}


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("it would not", "other", "rate_limit"),
        ("KeyError: 'total'", "step", "rate_limit"),
        ("it would not", "tool", "rate_limit"),
        ("it would not", "model", "rate_limit"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "step", "rate_limit"),
        ("TimeoutError: ", "step", "timeout"),
        ("MemoryError: ", "step", "resources"),
    ],
)
def test_a_class_that_says_little_is_that_of_the_failure_below(
    text: str, kind: str, expected: str
) -> None:
    below = span("b", "a", 1, 2, status="error", error="RateLimitError: slow down")
    found = failures(span("a", None, 0, 9, kind=kind, status="error", error=text), below)
    assert (found["a"].error_class, found["a"].origin) == (expected, False)
    alone = failures(span("a", None, 0, 9, kind=kind, status="error", error=text))
    assert (alone["a"].error_class == "rate_limit", alone["a"].origin) == (False, True)
