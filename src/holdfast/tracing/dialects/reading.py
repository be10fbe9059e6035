"""Join what the conventions of a span say into its meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import cast

from holdfast.tracing.dialects import (
    genai,
    holdfast,
    langfuse,
    logfire,
    openinference,
    plain,
    traceloop,
)
from holdfast.tracing.dialects.facts import Facts, Names
from holdfast.tracing.meaning import Meaning, ModelUse, Role, TokenUsage
from holdfast.tracing.span import Span

Reader = Callable[[Span], Facts]

DIALECTS = (genai, openinference, traceloop, langfuse, logfire, plain)
"""A new convention is one module and a name here; where two say the same, the earlier one counts."""

_OTHER = cast("Role", "other")
_CALLS: frozenset[Role] = frozenset({"model", "embedding"})
_NOTHING = Meaning(role="other")
_NO_USAGE = TokenUsage()


def meaning_of(span: Span) -> Meaning:
    """Return what a span means; never raises, whatever its attributes hold.

    A span that is no model call but tells tokens repeats the sums of those below it: it has no
    `model`, and `count_usage` is false.
    """
    told = [read(span) for read in readers_of(tuple(span.attributes))]
    if holdfast.is_ours(span):
        told.insert(0, holdfast.read(span))
    release = plain.release_of(span)
    if not told:
        return Meaning(role="other", release=release) if release else _NOTHING
    facts = told[0] if len(told) == 1 else joined(told)
    role = facts.get("role") or _OTHER
    is_call = role in _CALLS
    tell = facts.get
    return Meaning(
        role=role,
        model=_use(facts) if is_call else None,
        tool=tell("tool", ""),
        input=tell("input"),
        output=tell("output"),
        session=tell("session", ""),
        user=tell("user", ""),
        release=tell("release") or release,
        workflow=tell("workflow", ""),
        count_usage=is_call,
        dialects=tuple([each["dialect"] for each in told if "dialect" in each]),
    )


@lru_cache(maxsize=4096)
def readers_of(names: Names) -> Sequence[Reader]:
    """Return what reads attributes of these names, the convention that counts first."""
    return [each.read for each in DIALECTS if each.applies(names)]


def joined(told: Sequence[Facts]) -> Facts:
    """Return what several conventions say, of each fact what the first of them says."""
    facts = told[0].copy()
    for other in told[1:]:
        for name, value in other.items():
            mine = facts.get(name)
            # 0 and false are facts, what is otherwise empty is none
            if not mine and mine is not False and mine != 0:
                facts[name] = value
        usage = facts.get("usage")
        if usage is not None and usage.input is None and usage.output is None:
            facts["usage"] = other.get("usage") or usage
    return facts


def _use(facts: Facts) -> ModelUse:
    tell = facts.get
    return ModelUse(
        provider=tell("provider", ""),
        model=tell("model", ""),
        usage=tell("usage", _NO_USAGE),
        finish_reasons=tell("finish_reasons", ()),
        ttft_ns=tell("ttft_ns"),
        streamed=tell("streamed"),
        told_cost=tell("cost"),
        beyond_tokens=bool(tell("beyond_tokens")),
    )
