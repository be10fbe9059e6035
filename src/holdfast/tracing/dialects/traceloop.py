"""OpenLLMetry of Traceloop: `traceloop.*`, and `llm.*` names of its own.

Source: opentelemetry-semantic-conventions-ai 0.4 (`SpanAttributes`, `TraceloopSpanKindValues`).
"""

from __future__ import annotations

from typing import cast

from holdfast.tracing.billing.usage import split_told
from holdfast.tracing.dialects.facts import (
    Facts,
    Names,
    Wanted,
    ask,
    count,
    first,
    flag,
    has,
    reasons,
    text,
)
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import Span

_ROLES: dict[str, Role] = {
    "workflow": "workflow",
    "task": "step",
    "agent": "agent",
    "tool": "tool",
}


_ASSOCIATION = "traceloop.association.properties."
_WANTED = Wanted(
    finish_reasons=ask(reasons, "llm.response.finish_reason"),
    streamed=ask(flag, "llm.is_streaming"),
    model=ask(text, "llm.response.model", "llm.request.model"),
    tool=ask(text, "traceloop.entity.name"),
    input=ask(first, "traceloop.entity.input"),
    output=ask(first, "traceloop.entity.output"),
    session=ask(text, f"{_ASSOCIATION}session_id", f"{_ASSOCIATION}chat_id"),
    user=ask(text, f"{_ASSOCIATION}user_id"),
    workflow=ask(text, "traceloop.workflow.name"),
)
_COUNTS = Wanted(
    inward=ask(count, "llm.usage.prompt_tokens"),
    outward=ask(count, "llm.usage.completion_tokens"),
    cache_read=ask(count, "llm.usage.cache_read_input_tokens"),
    cache_write=ask(count, "llm.usage.cache_creation_input_tokens"),
    reasoning=ask(count, "llm.usage.reasoning_tokens"),
    total=ask(count, "llm.usage.total_tokens"),
)


def applies(names: Names) -> bool:
    """Whether attributes of these names are of this convention."""
    return has(names, "traceloop.", "llm.request.type", "llm.usage.")


def read(span: Span) -> Facts:
    """Return what Traceloop's attributes say."""
    attributes = span.attributes
    asked = text(attributes, "llm.request.type")
    role: Role | None = _ROLES.get(text(attributes, "traceloop.span.kind").lower())
    if role is None and asked:
        role = "embedding" if asked == "embedding" else "model"
    facts = cast("Facts", _WANTED.told(attributes))
    facts["dialect"] = "traceloop"
    facts["role"] = role
    facts["usage"] = split_told(_COUNTS.told(attributes))
    if role != "tool":
        facts.pop("tool", None)  # the name of an entity is that of a tool only there
    return facts
