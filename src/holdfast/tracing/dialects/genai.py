"""OpenTelemetry's conventions for generative AI, in all their versions.

Sources: semantic conventions 1.27 to 1.41 (`gen_ai.*`), and the draft of the repository of its own
that followed (provider.name for system, cache_write for cache_creation, usage.reasoning). A name
that was renamed is read under all its names; which of them a span uses tells its version.
"""

from __future__ import annotations

from holdfast.tracing.billing.usage import split
from holdfast.tracing.dialects.facts import (
    Facts,
    Names,
    count,
    first,
    flag,
    gathered,
    has,
    micros,
    number,
    seconds_to_ns,
    since_event,
    text,
    texts,
)
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import Attributes, Span, Value

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


def applies(names: Names) -> bool:
    """Whether attributes of these names are of this convention."""
    return has(names, "gen_ai.")


def read(span: Span) -> Facts:
    """Return what `gen_ai.` attributes say."""
    attributes = span.attributes
    operation = text(attributes, "gen_ai.operation.name")
    return Facts(
        dialect=f"genai-{_version(attributes)}",
        role=_ROLES.get(operation) or _guess(attributes),
        provider=text(attributes, "gen_ai.provider.name", "gen_ai.system"),
        model=text(attributes, "gen_ai.response.model", "gen_ai.request.model"),
        usage=split(
            inward=count(attributes, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
            outward=count(
                attributes, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"
            ),
            cache_read=count(
                attributes,
                "gen_ai.usage.cache_read.input_tokens",
                "gen_ai.usage.cache_read_input_tokens",
                "gen_ai.usage.details.cache_read_tokens",
            ),
            cache_write=count(
                attributes,
                "gen_ai.usage.cache_write.input_tokens",
                "gen_ai.usage.cache_creation.input_tokens",
                "gen_ai.usage.cache_creation_input_tokens",
                "gen_ai.usage.details.cache_write_tokens",
            ),
            reasoning=count(
                attributes,
                "gen_ai.usage.reasoning.output_tokens",
                "gen_ai.usage.reasoning_tokens",
                "gen_ai.usage.details.reasoning_tokens",
            ),
            audio_input=count(attributes, "gen_ai.usage.audio.input_tokens"),
            audio_output=count(attributes, "gen_ai.usage.audio.output_tokens"),
            image_input=count(attributes, "gen_ai.usage.image.input_tokens"),
        ),
        finish_reasons=texts(first(attributes, "gen_ai.response.finish_reasons")),
        ttft_ns=_ttft(span),
        streamed=flag(attributes, "gen_ai.request.stream", "gen_ai.request.is_stream"),
        cost=micros(number(attributes, "gen_ai.usage.cost", "operation.cost")),
        tool=text(attributes, "gen_ai.tool.name"),
        input=_input(span),
        output=_output(span),
        session=text(attributes, "gen_ai.conversation.id"),
        user=text(attributes, "enduser.id", "user.id"),
        workflow=text(attributes, "gen_ai.workflow.name"),
    )


def _guess(attributes: Attributes) -> Role | None:
    """Return the role of a span that names no operation."""
    if has(attributes, "gen_ai.tool."):
        return "tool"
    if "gen_ai.request.model" in attributes or has(attributes, "gen_ai.usage."):
        return "model"
    return "agent" if has(attributes, "gen_ai.agent.") else None


def _version(attributes: Attributes) -> str:
    if has(attributes, "gen_ai.usage.cache_write.", "gen_ai.usage.reasoning."):
        return "draft"
    if "gen_ai.provider.name" in attributes:
        return "1.41"
    return "1.36"


def _ttft(span: Span) -> int | None:
    told = seconds_to_ns(
        number(
            span.attributes,
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.response.time_to_first_token",
            "gen_ai.server.time_to_first_token",
        )
    )
    return told if told is not None else since_event(span, _FIRST_TOKEN)


def _input(span: Span) -> Value:
    attributes = span.attributes
    found = first(attributes, "gen_ai.input.messages", "gen_ai.tool.call.arguments")
    if found is None:
        found = gathered(attributes, "gen_ai.prompt") or first(attributes, "gen_ai.prompt")
    return found if found is not None else _from_events(span, "gen_ai.input.messages", "prompt")


def _output(span: Span) -> Value:
    attributes = span.attributes
    found = first(attributes, "gen_ai.output.messages", "gen_ai.tool.call.result")
    if found is None:
        found = gathered(attributes, "gen_ai.completion") or first(attributes, "gen_ai.completion")
    return (
        found if found is not None else _from_events(span, "gen_ai.output.messages", "completion")
    )


def _from_events(span: Span, key: str, old: str) -> Value:
    """Return content that is told in events: of the details, or `gen_ai.content.prompt`."""
    for event in span.events:
        for name in (key, f"gen_ai.{old}"):
            if name in event.attributes:
                return event.attributes[name]
    return None
