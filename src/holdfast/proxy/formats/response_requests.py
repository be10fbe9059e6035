"""Read a request of OpenAI's Responses as a chat request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from holdfast.errors import Untranslatable
from holdfast.proxy.formats.response_objects import unseal
from holdfast.routing.dialects.answers import call
from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.dialects.values import as_list, as_object, as_objects, as_text

_STORED = {
    "background": "answers in the background are not kept here",
    "context_management": "conversations are not kept here",
    "conversation": "conversations are not kept here",
    "previous_response_id": "earlier responses are not kept here",
    "prompt": "prompts are not kept here",
}
_DROPPED = ("include", "max_tool_calls", "store", "stream_options", "truncation")
_ROLES = ("user", "assistant", "system", "developer")


def read_request(document: Object) -> Document:
    """Return the chat request; fields that are not known pass unchanged.

    Raises:
        Untranslatable: the request is malformed, or wants storage or tools of OpenAI's servers.
    """
    rest: Document = {name: value for name, value in document.items() if value is not None}
    _refuse(rest)
    if not as_text(rest.get("model")):
        raise Untranslatable("model", "must be the name of a model")
    messages: list[Document] = []
    if instructions := rest.pop("instructions", None):
        if not isinstance(instructions, str):
            raise Untranslatable("instructions", "must be a text")
        messages.append({"role": "system", "content": instructions})
    messages += _input(rest.pop("input", None))
    made = _settings(rest) | _text(rest) | _tools(rest)
    return rest | made | {"messages": messages}


def _refuse(rest: Document) -> None:
    """Refuse what needs storage or servers, and drop what then means nothing."""
    for name, reason in _STORED.items():
        if rest.pop(name, None):
            raise Untranslatable(name, reason, hint="send the whole conversation in `input`")
    if rest.get("truncation") == "auto":
        raise Untranslatable("truncation", "nothing is cut out of a request here", hint="cut it")
    for name in as_list(rest.get("include")):
        if name != "reasoning.encrypted_content":
            raise Untranslatable("include", f"{name!r} is not to be had here")
    for name in _DROPPED:
        rest.pop(name, None)


def _settings(rest: Document) -> Document:
    made: Document = {}
    if (limit := rest.pop("max_output_tokens", None)) is not None:
        made["max_tokens"] = limit
    if effort := as_object(rest.pop("reasoning", None)).get("effort"):
        made["reasoning_effort"] = effort
    if (likely := rest.pop("top_logprobs", None)) not in (None, 0):
        raise Untranslatable(
            "top_logprobs", f"probabilities are not told here, not even {likely!r}"
        )
    return made


def _text(rest: Document) -> Document:
    text, made = as_object(rest.pop("text", None)), Document()
    form = as_object(text.get("format"))
    if form.get("type") == "json_schema":
        schema = {
            key: form[key] for key in ("name", "description", "schema", "strict") if key in form
        }
        made["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif form and form.get("type") != "text":
        made["response_format"] = dict(form)
    return made | ({"verbosity": text["verbosity"]} if text.get("verbosity") else {})


def _tools(rest: Document) -> Document:
    made: Document = {}
    tools, choice = rest.pop("tools", None), rest.pop("tool_choice", None)
    if tools:
        made["tools"] = [_tool(as_object(each), at) for at, each in enumerate(as_list(tools))]
    if isinstance(choice, Mapping):
        wanted = as_object(cast("object", choice))
        if wanted.get("type") != "function":
            raise Untranslatable("tool_choice", "must be auto, none, required or one function")
        made["tool_choice"] = {"type": "function", "function": {"name": wanted.get("name")}}
    elif choice is not None:
        made["tool_choice"] = choice
    return made


def _tool(tool: Object, place: int) -> Document:
    if tool.get("type") != "function":
        raise Untranslatable(
            f"tools[{place}].type",
            f"{tool.get('type')!r} runs on OpenAI's own servers",
            hint="offer a function, and run it yourself",
        )
    names = ("name", "description", "parameters", "strict")
    return {
        "type": "function",
        "function": {name: tool[name] for name in names if tool.get(name) is not None},
    }


def _input(given: object) -> list[Document]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise Untranslatable("input", "must be a text or a list of items")
    turns = _Turns()
    for place, each in enumerate(cast("list[object]", given)):
        turns.take(as_object(each), f"input[{place}]")
    return turns.messages


class _Turns:
    """Messages out of items: what the assistant thinks, says and calls in a row is one."""

    def __init__(self) -> None:
        self.messages: list[Document] = []

    def take(self, item: Object, where: str) -> None:
        match item.get("type"):
            case None | "message":
                self._say(item, where)
            case "function_call":
                calls = cast("list[Document]", self._assistant().setdefault("tool_calls", []))
                name, arguments = as_text(item.get("name")), as_text(item.get("arguments"))
                calls.append(call(as_text(item.get("call_id")), name, arguments))
            case "function_call_output":
                content = _content(item.get("output"), f"{where}.output")
                identity = as_text(item.get("call_id"))
                self.messages.append({"role": "tool", "tool_call_id": identity, "content": content})
            case "reasoning":
                self._think(item)
            case "item_reference":
                raise Untranslatable(where, "earlier items are not kept here", hint="send the item")
            case kind:
                raise Untranslatable(
                    f"{where}.type", f"{kind!r} belongs to a tool of OpenAI's own servers"
                )

    def _say(self, item: Object, where: str) -> None:
        role = as_text(item.get("role"))
        if role not in _ROLES:
            raise Untranslatable(f"{where}.role", f"must be one of {', '.join(_ROLES)}")
        content = _content(item.get("content"), f"{where}.content")
        last = self.messages[-1] if self.messages else {}
        if role == "assistant" and last.get("role") == "assistant" and last["content"] is None:
            last["content"] = content
        else:
            self.messages.append({"role": role, "content": content})

    def _think(self, item: Object) -> None:
        parts = as_objects(item.get("content")) or as_objects(item.get("summary"))
        message: Document = {"role": "assistant", "content": None}
        if text := "".join(as_text(part.get("text")) for part in parts):
            message["reasoning_content"] = text
        if sealed := as_text(item.get("encrypted_content")):
            message["reasoning_details"] = unseal(sealed)
        if len(message) > 2:
            self.messages.append(message)

    def _assistant(self) -> Document:
        if not self.messages or self.messages[-1]["role"] != "assistant":
            self.messages.append({"role": "assistant", "content": None})
        return self.messages[-1]


def _content(content: object, where: str) -> str | list[Document]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise Untranslatable(where, "must be a text or a list of parts")
    listed = cast("list[object]", content)
    parts = [_part(as_object(part), f"{where}[{place}]") for place, part in enumerate(listed)]
    if len(parts) == 1 and set(parts[0]) == {"type", "text"}:
        return as_text(parts[0]["text"])
    return parts


def _part(part: Object, where: str) -> Document:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return {"type": "text", "text": as_text(part.get("text"))}
        case "refusal":
            return {"type": "refusal", "refusal": as_text(part.get("refusal"))}
        case "input_image" if part.get("image_url"):
            image: Document = {"url": part["image_url"]}
            if part.get("detail"):
                image["detail"] = part["detail"]
            return {"type": "image_url", "image_url": image}
        case "input_file" if part.get("file_data"):
            file = {name: part[name] for name in ("filename", "file_data") if part.get(name)}
            return {"type": "file", "file": file}
        case kind:
            raise Untranslatable(
                where,
                f"a part of the type {kind!r} without its bytes cannot be passed on",
                hint="send input_text, input_image with image_url, or input_file with file_data",
            )
