"""OpenInference, the convention of Arize: span kinds, `llm.*`, flattened message lists.

Source: openinference-semantic-conventions 0.1 (`SpanAttributes`, `OpenInferenceSpanKindValues`).
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
    dollars,
    first,
    gathered,
    has,
    reasons,
    since_event,
    text,
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


_COUNT = "llm.token_count."
_WANTED = Wanted(
    provider=ask(text, "llm.provider", "llm.system"),
    model=ask(text, "llm.model_name", "embedding.model_name", "reranker.model_name"),
    finish_reasons=ask(reasons, "llm.finish_reason"),
    cost=ask(dollars, "llm.cost.total"),
    tool=ask(text, "tool.name", "tool_call.function.name"),
    input=ask(first, "input.value", "tool.parameters"),
    output=ask(first, "output.value"),
    session=ask(text, "session.id"),
    user=ask(text, "user.id"),
)
_COUNTS = Wanted(
    inward=ask(count, f"{_COUNT}prompt"),
    outward=ask(count, f"{_COUNT}completion"),
    cache_read=ask(
        count, f"{_COUNT}prompt_details.cache_read", f"{_COUNT}prompt_details.cache_input"
    ),
    cache_write=ask(count, f"{_COUNT}prompt_details.cache_write"),
    reasoning=ask(count, f"{_COUNT}completion_details.reasoning"),
    audio_input=ask(count, f"{_COUNT}prompt_details.audio"),
    audio_output=ask(count, f"{_COUNT}completion_details.audio"),
    total=ask(count, f"{_COUNT}total"),
)


def applies(names: Names) -> bool:
    """Whether attributes of these names are of this convention."""
    return has(names, "openinference.", "llm.token_count", "llm.model_name", "llm.input_messages")


def read(span: Span) -> Facts:
    """Return what OpenInference's attributes say."""
    attributes = span.attributes
    kind = text(attributes, "openinference.span.kind")
    facts = cast("Facts", _WANTED.told(attributes))
    facts["dialect"] = "openinference"
    facts["role"] = _ROLES.get(kind.upper()) if kind else "model"
    facts["usage"] = split_told(_COUNTS.told(attributes))
    facts["ttft_ns"] = since_event(span, ("First Token Stream Event",))
    if messages := gathered(attributes, "llm.input_messages"):
        facts["input"] = messages
    if messages := gathered(attributes, "llm.output_messages"):
        facts["output"] = messages
    return facts
