"""OpenInference, the convention of Arize: span kinds, `llm.*`, flattened message lists.

Source: openinference-semantic-conventions 0.1 (`SpanAttributes`, `OpenInferenceSpanKindValues`).
"""

from __future__ import annotations

from holdfast.tracing.billing.usage import split
from holdfast.tracing.dialects.facts import (
    Facts,
    Names,
    count,
    first,
    gathered,
    has,
    micros,
    number,
    since_event,
    text,
    texts,
)
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import Span

_ROLES: dict[str, Role] = {
    "LLM": "model",
    "EMBEDDING": "embedding",
    "TOOL": "tool",
    "AGENT": "agent",
    "CHAIN": "step",
    "RETRIEVER": "retrieval",
    "RERANKER": "retrieval",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluation",
    "PROMPT": "step",
}


def applies(names: Names) -> bool:
    """Whether attributes of these names are of this convention."""
    return has(names, "openinference.", "llm.token_count", "llm.model_name", "llm.input_messages")


def read(span: Span) -> Facts:
    """Return what OpenInference's attributes say."""
    attributes = span.attributes
    kind = text(attributes, "openinference.span.kind")
    count_prefix = "llm.token_count."
    return Facts(
        dialect="openinference",
        role=_ROLES.get(kind.upper()) if kind else "model",
        provider=text(attributes, "llm.provider", "llm.system"),
        model=text(attributes, "llm.model_name", "embedding.model_name", "reranker.model_name"),
        usage=split(
            inward=count(attributes, f"{count_prefix}prompt"),
            outward=count(attributes, f"{count_prefix}completion"),
            cache_read=count(
                attributes,
                f"{count_prefix}prompt_details.cache_read",
                f"{count_prefix}prompt_details.cache_input",
            ),
            cache_write=count(attributes, f"{count_prefix}prompt_details.cache_write"),
            reasoning=count(attributes, f"{count_prefix}completion_details.reasoning"),
            audio_input=count(attributes, f"{count_prefix}prompt_details.audio"),
            audio_output=count(attributes, f"{count_prefix}completion_details.audio"),
            total=count(attributes, f"{count_prefix}total"),
        ),
        finish_reasons=texts(first(attributes, "llm.finish_reason")),
        ttft_ns=since_event(span, ("First Token Stream Event",)),
        cost=micros(number(attributes, "llm.cost.total")),
        tool=text(attributes, "tool.name", "tool_call.function.name"),
        input=gathered(attributes, "llm.input_messages")
        or first(attributes, "input.value", "tool.parameters"),
        output=gathered(attributes, "llm.output_messages") or first(attributes, "output.value"),
        session=text(attributes, "session.id"),
        user=text(attributes, "user.id"),
    )
