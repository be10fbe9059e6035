"""The spans that Holdfast makes itself: engine, router, tools, sessions."""

from __future__ import annotations

from typing import cast, get_args

from holdfast.tracing.billing.usage import split_told
from holdfast.tracing.dialects.facts import (
    Facts,
    Wanted,
    ask,
    count,
    first,
    flag,
    reasons,
    text,
)
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import CARRIERS, Span

_ROLES = frozenset(get_args(Role))
_KINDS: dict[str, Role] = {"human": "wait", "queue": "wait", "sleep": "wait"}
_WANTED = Wanted(
    tool=ask(text, "tool"),
    input=ask(first, "input"),
    output=ask(first, "output"),
    session=ask(text, "session"),
    user=ask(text, "user"),
    release=ask(text, "release"),
    workflow=ask(text, "workflow"),
)
_OF_CALLS = Wanted(
    provider=ask(text, "provider"),
    model=ask(text, "model"),
    finish_reasons=ask(reasons, "finish_reason"),
    ttft_ns=ask(count, "ttft_ns"),
    streamed=ask(flag, "streamed"),
    beyond_tokens=ask(flag, "beyond_tokens"),
)
_COUNTS = Wanted(
    inward=ask(count, "input_tokens"),
    outward=ask(count, "output_tokens"),
    cache_read=ask(count, "cache_read_tokens"),
    cache_write=ask(count, "cache_write_tokens"),
    reasoning=ask(count, "reasoning_tokens"),
)


def is_ours(span: Span) -> bool:
    """Whether a span is of a kind of ours."""
    return span.kind not in CARRIERS and span.kind != "unspecified"


def read(span: Span) -> Facts:
    """Return what our own kinds and attributes say."""
    attributes = span.attributes
    role = _KINDS.get(span.kind, span.kind)
    facts = cast("Facts", _WANTED.told(attributes))
    facts["dialect"] = "holdfast"
    facts["role"] = cast("Role", role) if role in _ROLES else None
    if role in ("model", "embedding"):
        facts.update(cast("Facts", _OF_CALLS.told(attributes)))
        facts["usage"] = split_told(_COUNTS.told(attributes))
        cost = count(attributes, "cost_msat")
        if cost is not None:
            facts["cost"] = {"msat": cost}
    return facts
