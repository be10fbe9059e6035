"""Read a request of Anthropic's messages as a chat request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from holdfast.errors import Untranslatable
from holdfast.routing.dialects.answers import call
from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.dialects.values import as_list, as_object, as_text, write_json

_CHOICES: Mapping[str, str] = {"auto": "auto", "any": "required", "none": "none"}
_TIERS = {"auto": "auto", "standard_only": "default"}


def read_request(document: Object) -> Document:
    """Return the chat request; fields that are not known pass unchanged.

    Raises:
        Untranslatable: the request is malformed, or wants what only Anthropic's own servers have.
    """
    rest: Document = {name: value for name, value in document.items() if value is not None}
    for name in ("container", "mcp_servers", "context_management"):
        if rest.pop(name, None):
            raise Untranslatable(
                name, "is kept by Anthropic's own servers only", hint="leave it out"
            )
    model, limit = rest.get("model"), rest.get("max_tokens")
    if not isinstance(model, str) or not model:
        raise Untranslatable("model", "must be the name of a model")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise Untranslatable("max_tokens", "must be a whole number above zero")
    messages = [*_system(rest.pop("system", None)), *_turns(rest.pop("messages", None))]
    made = _settings(rest) | _output(rest) | _tools(rest)
    return rest | made | {"messages": messages}


def _settings(rest: Document) -> Document:
    made: Document = {}
    if stops := as_list(rest.pop("stop_sequences", None)):
        made["stop"] = stops
    if user := as_object(rest.pop("metadata", None)).get("user_id"):
        made["user"] = user
    tier = rest.pop("service_tier", None)
    if tier is not None:
        if str(tier) not in _TIERS:
            raise Untranslatable("service_tier", "must be auto or standard_only")
        made["service_tier"] = _TIERS[str(tier)]
    return made


def _output(rest: Document) -> Document:
    config, made = dict(as_object(rest.pop("output_config", None))), Document()
    form = as_object(config.pop("format", None))
    if form:
        if form.get("type") != "json_schema" or not isinstance(form.get("schema"), Mapping):
            raise Untranslatable("output_config.format", "must be a json_schema with its schema")
        wanted = {"name": "reply", "schema": form["schema"], "strict": True}
        made["response_format"] = {"type": "json_schema", "json_schema": wanted}
    if effort := config.pop("effort", None):
        made["reasoning_effort"] = effort
    return made | ({"output_config": config} if config else {})


def _tools(rest: Document) -> Document:
    made: Document = {}
    if tools := rest.pop("tools", None):
        if not isinstance(tools, list):
            raise Untranslatable("tools", "must be a list of tools")
        listed = cast("list[object]", tools)
        made["tools"] = [_tool(as_object(each), f"tools[{at}]") for at, each in enumerate(listed)]
    choice = as_object(rest.pop("tool_choice", None))
    if not choice:
        return made
    kind = as_text(choice.get("type"))
    if kind == "tool" and choice.get("name"):
        made["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    elif kind in _CHOICES:
        made["tool_choice"] = _CHOICES[kind]
    else:
        raise Untranslatable("tool_choice", "must be auto, any, none, or a tool with its name")
    if choice.get("disable_parallel_tool_use"):
        made["parallel_tool_calls"] = False
    return made


def _tool(tool: Object, where: str) -> Document:
    if tool.get("type") not in (None, "custom"):
        raise Untranslatable(
            f"{where}.type",
            f"{tool.get('type')!r} runs on Anthropic's own servers",
            hint="offer a tool with an input_schema, and run it yourself",
        )
    name, schema = tool.get("name"), tool.get("input_schema")
    if not isinstance(name, str) or not isinstance(schema, Mapping):
        raise Untranslatable(where, "must have a name and an input_schema")
    function: Document = {"name": name, "parameters": schema}
    function |= {key: tool[key] for key in ("description", "strict") if tool.get(key) is not None}
    return {"type": "function", "function": function} | _extras(tool)


def _system(system: object) -> Iterator[Document]:
    if isinstance(system, str) and system:
        yield {"role": "system", "content": system}
    elif system:
        blocks = _blocks(system, "system")
        yield {"role": "system", "content": [_part(block, where) for block, where in blocks]}


def _turns(messages: object) -> Iterator[Document]:
    if not isinstance(messages, list) or not messages:
        raise Untranslatable("messages", "must be a list with at least one message")
    for place, each in enumerate(cast("list[object]", messages)):
        message, where = as_object(each), f"messages[{place}]"
        blocks = _blocks(message.get("content"), f"{where}.content")
        match message.get("role"):
            case "user":
                yield from _user(blocks)
            case "assistant":
                yield _assistant(blocks)
            case role:
                raise Untranslatable(f"{where}.role", f"must be user or assistant, not {role!r}")


def _blocks(content: object, where: str) -> list[tuple[Object, str]]:
    if isinstance(content, str):
        return [({"type": "text", "text": content}, where)]
    if not isinstance(content, list):
        raise Untranslatable(where, "must be a text or a list of blocks")
    listed = cast("list[object]", content)
    return [(as_object(block), f"{where}[{place}]") for place, block in enumerate(listed)]


def _user(blocks: list[tuple[Object, str]]) -> Iterator[Document]:
    """Yield the results of tools, each a message, and what the user says beside them."""
    said: list[tuple[Object, str]] = []
    for block, where in blocks:
        if block.get("type") != "tool_result":
            said.append((block, where))
            continue
        content = block.get("content")
        inner = [] if content is None else _blocks(content, f"{where}.content")
        result: Document = {"role": "tool", "tool_call_id": as_text(block.get("tool_use_id"))}
        result["content"] = _plain([_part(each, at) for each, at in inner])
        yield result | ({"is_error": True} if block.get("is_error") is True else {})
    if said:
        yield {"role": "user", "content": _plain([_part(block, where) for block, where in said])}


def _assistant(blocks: list[tuple[Object, str]]) -> Document:
    parts: list[Document] = []
    details: list[Document] = []
    calls: list[Document] = []
    for block, where in blocks:
        match block.get("type"):
            case "thinking":
                signature, text = block.get("signature"), as_text(block.get("thinking"))
                details.append({"type": "reasoning.text", "text": text, "signature": signature})
            case "redacted_thinking":
                details.append({"type": "reasoning.encrypted", "data": as_text(block.get("data"))})
            case "tool_use":
                arguments = write_json(as_object(block.get("input")))
                calls.append(call(as_text(block.get("id")), as_text(block.get("name")), arguments))
            case _:
                parts.append(_part(block, where))
    made: Document = {"role": "assistant", "content": _plain(parts) if parts else None}
    if details:
        made["reasoning_content"] = "".join(as_text(each.get("text")) for each in details)
        made["reasoning_details"] = details
    return made | ({"tool_calls": calls} if calls else {})


def _plain(parts: list[Document]) -> str | list[Document]:
    """Return parts, or the text itself where there is nothing but one plain text."""
    if not parts:
        return ""
    if len(parts) == 1 and set(parts[0]) == {"type", "text"}:
        return as_text(parts[0]["text"])
    return parts


def _part(block: Object, where: str) -> Document:
    source = as_object(block.get("source"))
    match block.get("type"), source.get("type"):
        case "text", _:
            made: Document = {"type": "text", "text": as_text(block.get("text"))}
        case "image", "base64":
            made = {"type": "image_url", "image_url": {"url": _address(source)}}
        case "image", "url":
            made = {"type": "image_url", "image_url": {"url": source.get("url")}}
        case "document", "base64":
            name = as_text(block.get("title")) or "document.pdf"
            made = {"type": "file", "file": {"filename": name, "file_data": _address(source)}}
        case "document", "text":
            made = {"type": "text", "text": as_text(source.get("data"))}
        case kind, _:
            raise Untranslatable(
                where,
                f"a block of the type {kind!r} with such a source cannot be passed on",
                hint="send text, an image, or a PDF with its bytes",
            )
    return made | _extras(block)


def _address(source: Object) -> str:
    return f"data:{as_text(source.get('media_type'))};base64,{as_text(source.get('data'))}"


def _extras(holder: Object) -> Document:
    control = holder.get("cache_control")
    return {"cache_control": control} if control else {}
