"""Join what the conventions of a span say into its meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import cast

from holdfast.frozen import members_of
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
_FACTS = tuple(member.name for member in members_of(Facts))


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
    role = facts.role or _OTHER
    is_call = role in _CALLS
    return Meaning(
        role=role,
        model=_use(facts) if is_call else None,
        tool=facts.tool,
        input=facts.input,
        output=facts.output,
        session=facts.session,
        user=facts.user,
        release=facts.release or release,
        workflow=facts.workflow,
        count_usage=is_call,
        dialects=tuple(each.dialect for each in told),
    )


@lru_cache(maxsize=4096)
def readers_of(names: Names) -> Sequence[Reader]:
    """Return what reads attributes of these names, the convention that counts first."""
    return [each.read for each in DIALECTS if each.applies(names)]


def joined(told: Sequence[Facts]) -> Facts:
    """Return what several conventions say, of each fact what the first of them says."""
    first, *rest = told
    for other in rest:
        for name in _FACTS:
            mine = getattr(first, name)
            # 0 and false are facts, what is otherwise empty is none
            if not mine and mine is not False and mine != 0:
                setattr(first, name, getattr(other, name))
        if first.usage is not None and first.usage.input is None and first.usage.output is None:
            first.usage = other.usage or first.usage
    return first


def _use(facts: Facts) -> ModelUse:
    return ModelUse(
        provider=facts.provider,
        model=facts.model,
        usage=facts.usage or _NO_USAGE,
        finish_reasons=facts.finish_reasons,
        ttft_ns=facts.ttft_ns,
        streamed=facts.streamed,
        told_cost=facts.cost or None,
    )
