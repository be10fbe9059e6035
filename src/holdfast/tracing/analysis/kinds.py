"""Tell what a span means by its kind and by the commonest attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast, get_args

from holdfast.tracing.analysis.text import first_number
from holdfast.tracing.meaning import Meaning, ModelUse, Role, TokenUsage
from holdfast.tracing.span import Attributes, Span, Value

_ROLES: frozenset[str] = frozenset(get_args(Role))
_OPERATIONS: Mapping[str, Role] = {
    "chat": "model", "text_completion": "model", "generate_content": "model",
    "embeddings": "embedding", "execute_tool": "tool", "invoke_agent": "agent",
    "retrieval": "retrieval", "LLM": "model", "TOOL": "tool", "AGENT": "agent", "CHAIN": "step",
    "RETRIEVER": "retrieval", "EMBEDDING": "embedding", "GUARDRAIL": "guardrail",
}  # fmt: skip
_NAMED = ("gen_ai.operation.name", "openinference.span.kind")
_MARKS: Mapping[str, Role] = {
    "db.system.name": "database", "db.system": "database", "http.request.method": "http",
}  # fmt: skip
_FINISHED = ("gen_ai.response.finish_reasons", "llm.finish_reason", "finish_reason")
_INPUT = ("input", "gen_ai.tool.call.arguments", "gen_ai.input.messages", "input.value")
_OUTPUT = ("output", "gen_ai.tool.call.result", "gen_ai.output.messages", "output.value")
_IN = ("input_tokens", "gen_ai.usage.input_tokens", "llm.token_count.prompt")
_OUT = ("output_tokens", "gen_ai.usage.output_tokens", "llm.token_count.completion")


def meaning_of(span: Span) -> Meaning:
    """Return what a span means."""
    role, told = _role(span), span.attributes
    tool = _first(told, ("gen_ai.tool.name", "tool.name"))
    return Meaning(
        role=role,
        model=_model(told) if role == "model" else None,
        tool=tool if isinstance(tool, str) else "",
        input=_first(told, _INPUT),
        output=_first(told, _OUTPUT),
    )


def _role(span: Span) -> Role:
    for key in _NAMED:
        found = _OPERATIONS.get(str(span.attributes.get(key)))
        if found is not None:
            return found
    for key, role in _MARKS.items():
        if key in span.attributes:
            return role
    return cast("Role", span.kind) if span.kind in _ROLES else "other"


def _model(told: Attributes) -> ModelUse:
    reasons = _first(told, _FINISHED)
    listed = (reasons,) if isinstance(reasons, str) else reasons
    return ModelUse(
        finish_reasons=tuple(map(str, listed)) if isinstance(listed, Sequence) else (),
        usage=TokenUsage(input=first_number(told, _IN), output=first_number(told, _OUT)),
    )


def _first(told: Attributes, keys: Sequence[str]) -> Value:
    return next((told[key] for key in keys if key in told), None)
