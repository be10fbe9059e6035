"""Langfuse's attributes on OpenTelemetry spans (`langfuse.*`).

Source: the documentation of Langfuse's OpenTelemetry endpoint, property mapping of version 3 and 4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from holdfast.tracing.billing.usage import counts_beyond_tokens, usage_of
from holdfast.tracing.dialects.facts import Facts, Names, Wanted, ask, dollars, first, has, text
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import Attributes, Span, Value

_ROLES: dict[str, Role] = {
    "generation": "model",
    "embedding": "embedding",
    "agent": "agent",
    "tool": "tool",
    "chain": "step",
    "retriever": "retrieval",
    "evaluator": "evaluation",
    "guardrail": "guardrail",
    "span": "other",
}
_AT = "langfuse.observation."
_WANTED = Wanted(
    model=ask(text, f"{_AT}model.name"),
    input=ask(first, f"{_AT}input", "langfuse.trace.input"),
    output=ask(first, f"{_AT}output", "langfuse.trace.output"),
    session=ask(text, "langfuse.session.id", "session.id"),
    user=ask(text, "langfuse.user.id", "user.id"),
    release=ask(text, "langfuse.release"),
    workflow=ask(text, "langfuse.trace.name"),
)


def applies(names: Names) -> bool:
    """Whether attributes of these names are of this convention."""
    return has(names, "langfuse.")


def read(span: Span) -> Facts:
    """Return what Langfuse's attributes say."""
    attributes = span.attributes
    facts = cast("Facts", _WANTED.told(attributes))
    facts["dialect"] = "langfuse"
    facts["role"] = _ROLES.get(text(attributes, f"{_AT}type").lower())
    facts["ttft_ns"] = _ttft(span)
    if report := _report(attributes):
        facts["usage"] = usage_of(report)
        if counts_beyond_tokens(report):
            facts["beyond_tokens"] = True
    if (cost := _cost(attributes)) is not None:
        facts["cost"] = cost
    return facts


def _report(attributes: Attributes) -> Mapping[str, object]:
    """Return the usage in the words of OpenAI; empty if none is told."""
    details = _mapping(attributes.get(f"{_AT}usage_details"))
    names = {"input": "input_tokens", "output": "output_tokens", "total": "total_tokens"}
    return {names.get(name, name): value for name, value in details.items()}


def _cost(attributes: Attributes) -> Mapping[str, int] | None:
    details = _mapping(attributes.get(f"{_AT}cost_details"))
    return dollars(cast("Attributes", details), "total")


def _ttft(span: Span) -> int | None:
    begun = text(span.attributes, f"{_AT}completion_start_time").strip('"')
    try:
        at = datetime.fromisoformat(begun)
    except ValueError:
        return None
    waited = round(at.timestamp() * 1e9) - span.start_ns if at.tzinfo else -1
    return waited if waited >= 0 else None


def _mapping(value: Value) -> Mapping[str, object]:
    """Return a mapping that may be written as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
