"""OpenLLMetry of Traceloop: `traceloop.*`, and `llm.*` names of its own.

Source: opentelemetry-semantic-conventions-ai 0.4 (`SpanAttributes`, `TraceloopSpanKindValues`).
"""

from __future__ import annotations

from holdfast.tracing.billing.usage import split
from holdfast.tracing.dialects.facts import Facts, Names, count, first, flag, has, text, texts
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import Span

_ROLES: dict[str, Role] = {
    "workflow": "workflow",
    "task": "step",
    "agent": "agent",
    "tool": "tool",
}


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
    association = "traceloop.association.properties."
    return Facts(
        dialect="traceloop",
        role=role,
        usage=split(
            inward=count(attributes, "llm.usage.prompt_tokens"),
            outward=count(attributes, "llm.usage.completion_tokens"),
            cache_read=count(attributes, "llm.usage.cache_read_input_tokens"),
            cache_write=count(attributes, "llm.usage.cache_creation_input_tokens"),
            reasoning=count(attributes, "llm.usage.reasoning_tokens"),
            total=count(attributes, "llm.usage.total_tokens"),
        ),
        finish_reasons=texts(first(attributes, "llm.response.finish_reason")),
        streamed=flag(attributes, "llm.is_streaming"),
        model=text(attributes, "llm.response.model", "llm.request.model"),
        tool=text(attributes, "traceloop.entity.name") if role == "tool" else "",
        input=first(attributes, "traceloop.entity.input"),
        output=first(attributes, "traceloop.entity.output"),
        session=text(attributes, f"{association}session_id", f"{association}chat_id"),
        user=text(attributes, f"{association}user_id"),
        workflow=text(attributes, "traceloop.workflow.name"),
    )
