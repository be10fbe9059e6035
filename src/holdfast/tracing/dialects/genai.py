"""OpenTelemetry's conventions for generative AI, in all their versions.

Sources: semantic conventions 1.27 to 1.41 (`gen_ai.*`), and the draft of the repository of its own
that followed (provider.name for system, cache_write for cache_creation, usage.reasoning). A name
that was renamed is read under all its names; which of them a span uses tells its version.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from holdfast.frozen import NamedTuple
from holdfast.tracing.billing.usage import SEARCHES, split_told
from holdfast.tracing.dialects.facts import (
    Facts,
    Names,
    Wanted,
    any_of,
    ask,
    count,
    dollars,
    first,
    flag,
    gathered,
    has,
    reasons,
    seconds,
    since_event,
    text,
)
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import Span, Value

_ROLES: dict[str, Role] = {
    "chat": "model",
    "text_completion": "model",
    "generate_content": "model",
    "completion": "model",
    "embeddings": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "workflow",
    "plan": "agent",
    "retrieval": "retrieval",
    "search_memory": "memory",
    "update_memory": "memory",
    "create_memory_store": "memory",
}
_FIRST_TOKEN = (
    "first token", "gen_ai.first_token", "gen_ai.content.first_token", "first_token",
    "llm.first_token", "First Token Stream Event",
)  # fmt: skip


_WANTED = Wanted(
    provider=ask(text, "gen_ai.provider.name", "gen_ai.system"),
    model=ask(text, "gen_ai.response.model", "gen_ai.request.model"),
    finish_reasons=ask(reasons, "gen_ai.response.finish_reasons"),
    ttft_ns=ask(
        seconds,
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.response.time_to_first_token",
        "gen_ai.server.time_to_first_token",
    ),
    streamed=ask(flag, "gen_ai.request.stream", "gen_ai.request.is_stream"),
    cost=ask(dollars, "gen_ai.usage.cost", "operation.cost"),
    beyond_tokens=ask(any_of, *(f"gen_ai.usage.details.{name}" for name in SEARCHES)),
    tool=ask(text, "gen_ai.tool.name"),
    input=ask(first, "gen_ai.input.messages", "gen_ai.tool.call.arguments"),
    output=ask(first, "gen_ai.output.messages", "gen_ai.tool.call.result"),
    session=ask(text, "gen_ai.conversation.id"),
    user=ask(text, "enduser.id", "user.id"),
    workflow=ask(text, "gen_ai.workflow.name"),
)
_COUNTS = Wanted(
    inward=ask(count, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    outward=ask(count, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    cache_read=ask(
        count,
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
    ),
    cache_write=ask(
        count,
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
    ),
    reasoning=ask(
        count,
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
    ),
    audio_input=ask(count, "gen_ai.usage.audio.input_tokens"),
    audio_output=ask(count, "gen_ai.usage.audio.output_tokens"),
    image_input=ask(count, "gen_ai.usage.image.input_tokens"),
)


class _Shape(NamedTuple):
    """What the names of attributes tell by themselves. `role` is for a span that names no operation."""

    dialect: str
    role: Role | None
    has_prompt: bool
    has_completion: bool


def applies(names: Names) -> bool:
    """Whether attributes of these names are of this convention."""
    return has(names, "gen_ai.")


def read(span: Span) -> Facts:
    """Return what `gen_ai.` attributes say."""
    attributes = span.attributes
    shape = _shape_of(tuple(attributes))
    facts = cast("Facts", _WANTED.told(attributes))
    facts["dialect"] = shape.dialect
    facts["role"] = _ROLES.get(text(attributes, "gen_ai.operation.name")) or shape.role
    facts["usage"] = split_told(_COUNTS.told(attributes))
    if "input" not in facts:
        facts["input"] = _content(
            span, "prompt", "gen_ai.input.messages", is_there=shape.has_prompt
        )
    if "output" not in facts:
        facts["output"] = _content(
            span, "completion", "gen_ai.output.messages", is_there=shape.has_completion
        )
    if span.events and "ttft_ns" not in facts:
        facts["ttft_ns"] = since_event(span, _FIRST_TOKEN)
    return facts


@lru_cache(maxsize=1024)
def _shape_of(names: Names) -> _Shape:
    return _Shape(
        dialect=f"genai-{_version(names)}",
        role=_guess(names),
        has_prompt=has(names, "gen_ai.prompt"),
        has_completion=has(names, "gen_ai.completion"),
    )


def _guess(names: Names) -> Role | None:
    """Return the role of a span that names no operation."""
    if has(names, "gen_ai.tool."):
        return "tool"
    if "gen_ai.request.model" in names or has(names, "gen_ai.usage."):
        return "model"
    return "agent" if has(names, "gen_ai.agent.") else None


def _version(names: Names) -> str:
    if has(names, "gen_ai.usage.cache_write.", "gen_ai.usage.reasoning."):
        return "draft"
    if "gen_ai.provider.name" in names:
        return "1.41"
    return "1.36"


def _content(span: Span, old: str, event_key: str, *, is_there: bool) -> Value:
    """Return what older versions say of content: flattened, in one attribute, or in events."""
    name = f"gen_ai.{old}"
    found: Value = None
    if is_there:
        found = gathered(span.attributes, name) or first(span.attributes, name)
    return found if found is not None or not span.events else _from_events(span, event_key, name)


def _from_events(span: Span, key: str, name: str) -> Value:
    """Return content that is told in events: of the details, or `gen_ai.content.prompt`."""
    for event in span.events:
        for each in (key, name):
            if each in event.attributes:
                return event.attributes[each]
    return None
