"""Say a chat request in the words of Anthropic's messages.

A JSON Schema of the answer becomes `output_config.format`, not a forced tool: the answer then is the
text itself, streamed as such, and the request's own tools stay free to be called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.errors import Untranslatable
from holdfast.routing.dialects.requests import (
    BOOKKEEPING,
    Fields,
    Media,
    Part,
    Text,
    read_calls,
    read_choice,
    read_messages,
    read_parts,
    read_schema,
    read_tools,
)
from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.dialects.values import as_object, as_objects, as_text

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_EFFORTS = {each: each for each in ("low", "medium", "high", "xhigh", "max")} | {"minimal": "low"}
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def encode_request(body: Object, *, limit: int) -> Document:
    """Return the JSON of a request; `limit` is its `max_tokens` if the chat request sets none.

    Raises:
        Untranslatable: Anthropic has no words for a field.
    """
    fields = Fields(body)
    fields.refuse_foreign()
    fields.refuse(("logprobs", "top_logprobs"), "probabilities of tokens are not told here")
    fields.refuse(("frequency_penalty", "presence_penalty"), "there are no penalties here")
    if fields.take("seed") is not None:
        raise Untranslatable("seed", "answers cannot be repeated here", hint="leave seed out")
    user = fields.take("user")
    made: Document = {"model": fields.take("model"), "max_tokens": fields.limit() or limit}
    made |= _sampling(fields) | _effort(fields) | _tools(fields)
    if isinstance(user, str):
        made["metadata"] = {"user_id": user}
    fields.drop((*BOOKKEEPING, "messages"))
    system, messages = _messages(read_messages(body))
    made["messages"] = messages
    if system:
        made["system"] = system
    return made | fields.rest


def _sampling(fields: Fields) -> Document:
    made: Document = {
        "temperature": fields.number("temperature", least=0, most=1),
        "top_p": fields.number("top_p", least=0, most=1),
        "stop_sequences": fields.stops() or None,
    }
    tier = fields.take("service_tier")
    if tier is not None and str(tier) not in _TIERS:
        raise Untranslatable("service_tier", f"{tier!r} is none here; auto and default are")
    made["service_tier"] = _TIERS.get(str(tier))
    return {name: value for name, value in made.items() if value is not None}


def _effort(fields: Fields) -> Document:
    effort, schema = fields.take("reasoning_effort"), read_schema(fields.take("response_format"))
    config: Document = dict(as_object(fields.take("output_config")))
    made: Document = {}
    if effort == "none":
        made["thinking"] = {"type": "disabled"}
    elif effort is not None:
        if str(effort) not in _EFFORTS:
            raise Untranslatable("reasoning_effort", f"must be one of {', '.join(_EFFORTS)}, none")
        config.setdefault("effort", _EFFORTS[str(effort)])
    if schema is not None:
        config["format"] = {"type": "json_schema", "schema": dict(schema)}
    return made | ({"output_config": config} if config else {})


def _tools(fields: Fields) -> Document:
    made: Document = {}
    if tools := read_tools(fields.take("tools")):
        made["tools"] = [
            {"name": tool.name, "input_schema": dict(tool.parameters)}
            | ({"description": tool.description} if tool.description is not None else {})
            | ({"strict": True} if tool.strict else {})
            | dict(tool.extras)
            for tool in tools
        ]
    choice, parallel = read_choice(fields.take("tool_choice")), fields.take("parallel_tool_calls")
    if choice is not None and choice.mode == "function":
        made["tool_choice"] = {"type": "tool", "name": choice.name}
    elif choice is not None:
        made["tool_choice"] = {"type": _CHOICES[choice.mode]}
    if parallel is False and tools and (choice is None or choice.mode != "none"):
        wanted = as_object(made.get("tool_choice", {"type": "auto"}))
        made["tool_choice"] = {**wanted, "disable_parallel_tool_use": True}
    return made


def _messages(messages: Sequence[Object]) -> tuple[str | list[Document], list[Document]]:
    """Return the system prompt and the turns; what one side says in a row is one turn."""
    system: list[Document] = []
    turns: list[Document] = []
    blocks: list[Document] = []
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        role = message["role"]
        if message.get("name") and role != "tool":
            raise Untranslatable(f"{where}.name", "who speaks cannot be named here")
        if role in ("system", "developer"):
            if turns:
                raise Untranslatable(
                    where, "instructions can only stand before all turns", hint="put it first"
                )
            system += [
                _block(part) for part in read_parts(message.get("content"), f"{where}.content")
            ]
            continue
        said = list(_said(message, where))
        side = "assistant" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == side:
            blocks += said
        elif said:
            blocks = said
            turns.append({"role": side, "content": blocks})
    if len(system) == 1 and list(system[0]) == ["type", "text"]:
        return str(system[0]["text"]), turns
    return system, turns


def _said(message: Object, where: str) -> Iterator[Document]:
    content = message.get("content")
    match message["role"]:
        case "assistant":
            yield from _thoughts(message)
            for part in read_parts(content or message.get("refusal"), f"{where}.content"):
                if not isinstance(part, Text) or part.text:  # an empty text is refused upstream
                    yield _block(part)
            for call in read_calls(message, where):
                yield {
                    "type": "tool_use",
                    "id": call.id,
                    "name": call.name,
                    "input": call.arguments,
                }
        case "tool":
            identity = message.get("tool_call_id")
            if not isinstance(identity, str):
                raise Untranslatable(f"{where}.tool_call_id", "must be the id of a call")
            parts = [_block(part) for part in read_parts(content, f"{where}.content")]
            result = content if isinstance(content, str) else parts
            answered: Document = {"type": "tool_result", "tool_use_id": identity, "content": result}
            yield answered | ({"is_error": True} if message.get("is_error") is True else {})
        case "user":
            yield from (_block(part) for part in read_parts(content, f"{where}.content"))
        case role:
            raise Untranslatable(
                f"{where}.role", f"{role!r} is deprecated", hint="answer calls with the role tool"
            )


def _thoughts(message: Object) -> Iterator[Document]:
    """Yield the thinking that carries a signature: without one Anthropic takes none back."""
    for detail in as_objects(message.get("reasoning_details")):
        signature, data = as_text(detail.get("signature")), as_text(detail.get("data"))
        if detail.get("type") == "reasoning.text" and signature:
            text = as_text(detail.get("text"))
            yield {"type": "thinking", "thinking": text, "signature": signature}
        elif detail.get("type") == "reasoning.encrypted" and data:
            yield {"type": "redacted_thinking", "data": data}


def _block(part: Part) -> Document:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text, **part.extras}
    return {"type": "image" if part.is_image else "document", **_source(part), **part.extras}


def _source(part: Media) -> Document:
    if part.url:
        return {"source": {"type": "url", "url": part.url}}
    if part.media_type not in (_IMAGES if part.is_image else ("application/pdf",)):
        raise Untranslatable(
            part.where,
            f"{part.media_type} cannot be sent here",
            hint="JPEG, PNG, GIF, WebP or PDF can",
        )
    made: Document = {
        "source": {"type": "base64", "media_type": part.media_type, "data": part.data}
    }
    return made | ({"title": part.name} if part.name else {})
