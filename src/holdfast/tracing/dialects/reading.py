"""Join what the conventions of a span say into its meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from holdfast.tracing.dialects import (
    genai,
    holdfast,
    langfuse,
    logfire,
    openinference,
    plain,
    traceloop,
)
from holdfast.tracing.dialects.facts import Facts
from holdfast.tracing.meaning import Meaning, ModelUse, Role, TokenUsage
from holdfast.tracing.span import Span

T = TypeVar("T")
Reader = Callable[[Span], Facts | None]

DIALECTS: tuple[Reader, ...] = (
    holdfast.read, genai.read, openinference.read, traceloop.read, langfuse.read, logfire.read,
    plain.read,
)  # fmt: skip
"""A new convention is one module and a line here; where two say the same, the earlier one counts."""

_OTHER = cast("Role", "other")
_CALLS: frozenset[Role] = frozenset({"model", "embedding"})


def meaning_of(span: Span) -> Meaning:
    """Return what a span means; never raises, whatever its attributes hold.

    A span that is no model call but tells tokens repeats the sums of those below it: it has no
    `model`, and `count_usage` is false.
    """
    told = [facts for read in DIALECTS if (facts := read(span)) is not None]
    if not told:
        return Meaning(role="other")
    roles: list[Role] = [each.role for each in told if each.role is not None]
    role = roles[0] if roles else _OTHER
    usage = _first((each.usage for each in told if _counts(each.usage)), None)
    return Meaning(
        role=role,
        model=_use(told, usage) if role in _CALLS else None,
        tool=_first((each.tool for each in told), ""),
        input=_first((each.input for each in told), None),
        output=_first((each.output for each in told), None),
        session=_first((each.session for each in told), ""),
        user=_first((each.user for each in told), ""),
        release=_first((each.release for each in told), ""),
        workflow=_first((each.workflow for each in told), ""),
        count_usage=role in _CALLS,
        dialects=tuple(each.dialect for each in told),
    )


def _use(told: list[Facts], usage: TokenUsage | None) -> ModelUse:
    return ModelUse(
        provider=_first((each.provider for each in told), ""),
        model=_first((each.model for each in told), ""),
        usage=usage or TokenUsage(),
        finish_reasons=_first((each.finish_reasons for each in told), ()),
        ttft_ns=_first((each.ttft_ns for each in told), None),
        streamed=_first((each.streamed for each in told), None),
        told_cost=_first((each.cost or None for each in told), None),
    )


def _counts(usage: TokenUsage | None) -> bool:
    return usage is not None and usage != TokenUsage()


def _first(values: Iterable[T], otherwise: T) -> T:
    """Return the first value that says something; 0 and false do."""
    for value in values:
        if value is not None and value not in ("", ()):
            return value
    return otherwise
