"""The spans that Holdfast makes itself: engine, router, tools, sessions."""

from __future__ import annotations

from typing import cast, get_args

from holdfast.tracing.billing.usage import split
from holdfast.tracing.dialects.facts import Facts, count, first, flag, text, texts
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import CARRIERS, Span

_ROLES = frozenset(get_args(Role))
_KINDS: dict[str, Role] = {"human": "wait", "queue": "wait", "sleep": "wait"}


def is_ours(span: Span) -> bool:
    """Whether a span is of a kind of ours."""
    return span.kind not in CARRIERS and span.kind != "unspecified"


def read(span: Span) -> Facts:
    """Return what our own kinds and attributes say."""
    attributes = span.attributes
    role = _KINDS.get(span.kind, span.kind)
    facts = Facts(
        dialect="holdfast",
        role=cast("Role", role) if role in _ROLES else None,
        tool=text(attributes, "tool"),
        input=first(attributes, "input"),
        output=first(attributes, "output"),
        session=text(attributes, "session"),
        user=text(attributes, "user"),
        release=text(attributes, "release"),
        workflow=text(attributes, "workflow"),
    )
    if role in ("model", "embedding"):
        facts.provider = text(attributes, "provider")
        facts.model = text(attributes, "model")
        facts.usage = split(
            inward=count(attributes, "input_tokens"),
            outward=count(attributes, "output_tokens"),
            cache_read=count(attributes, "cache_read_tokens"),
            cache_write=count(attributes, "cache_write_tokens"),
            reasoning=count(attributes, "reasoning_tokens"),
        )
        facts.finish_reasons = texts(first(attributes, "finish_reason"))
        facts.ttft_ns = count(attributes, "ttft_ns")
        facts.streamed = flag(attributes, "streamed")
        cost = count(attributes, "cost_msat")
        facts.cost = {} if cost is None else {"msat": cost}
    return facts
