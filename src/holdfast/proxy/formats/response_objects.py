"""Build the objects of OpenAI's Responses out of chat completions."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.dialects.values import (
    as_object,
    as_objects,
    as_text,
    is_number,
    write_json,
)
from holdfast.tracing.billing.usage import usage_of

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_REPEATED = ("instructions", "max_output_tokens", "metadata", "service_tier", "temperature", "top_p", "user")  # fmt: skip


class Frame:
    """What a response repeats of its request."""

    def __init__(self, request: Object) -> None:
        reasoning, text = as_object(request.get("reasoning")), as_object(request.get("text"))
        self._model = as_text(request.get("model"))
        self._repeated: Document = {name: request.get(name) for name in _REPEATED} | {
            "background": False,
            "error": None,
            "incomplete_details": None,
            "parallel_tool_calls": request.get("parallel_tool_calls") is not False,
            "previous_response_id": None,
            "reasoning": {"effort": reasoning.get("effort"), "summary": None},
            "store": False,
            "text": dict(text) or {"format": {"type": "text"}},
            "tool_choice": request.get("tool_choice") or "auto",
            "tools": [
                {"strict": None, "parameters": None} | dict(tool)
                for tool in as_objects(request.get("tools"))
            ],
            "truncation": "disabled",
        }

    def key(self, holder: Object) -> str:
        """Return what the ids of a response and its items have in common."""
        return as_text(holder.get("id")).removeprefix("chatcmpl-") or "unknown"

    def begun(self, holder: Object) -> Document:
        """Return a response that is under way; `holder` is an answer or its first chunk."""
        created = holder.get("created")
        return self._repeated | {
            "id": f"resp_{self.key(holder)}",
            "object": "response",
            "created_at": created if is_number(created) else 0,
            "model": as_text(holder.get("model")) or self._model,
            "status": "in_progress",
            "output": [],
            "usage": None,
        }

    def ended(self, holder: Object, items: Sequence[Document], finish: object) -> Document:
        """Return a response that is whole, or incomplete if the finish reason says so."""
        made = self.begun(holder) | {"output": list(items), "usage": read_usage(holder)}
        reason = _INCOMPLETE.get(as_text(finish))
        if reason is None:
            return made | {"status": "completed"}
        return made | {"status": "incomplete", "incomplete_details": {"reason": reason}}

    def failed(self, holder: Object, items: Sequence[Document], error: Object) -> Document:
        """Return a response that failed on its way."""
        return self.begun(holder) | {"output": list(items), "status": "failed", "error": error}


def output_items(message: Object, key: str) -> list[Document]:
    """Return the output items of an assistant's message: reasoning, the message, its calls."""
    items: list[Document] = []
    reasoning = as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
    sealed = seal(message.get("reasoning_details"))
    if reasoning or sealed:
        items.append(reasoning_item(key, reasoning, sealed))
    parts: list[Document] = []
    if text := as_text(message.get("content")):
        parts.append(text_part(text))
    if refusal := as_text(message.get("refusal")):
        parts.append({"type": "refusal", "refusal": refusal})
    calls = as_objects(message.get("tool_calls"))
    if parts or not calls:
        items.append(message_item(key, parts, "completed"))
    for place, call in enumerate(calls):
        function = as_object(call.get("function"))
        item = call_item(key, place, as_text(call.get("id")), as_text(function.get("name")))
        items.append(
            item | {"arguments": as_text(function.get("arguments")), "status": "completed"}
        )
    return items


def text_part(text: str) -> Document:
    """Return a part of a message that is text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message_item(key: str, parts: Sequence[Document], status: str) -> Document:
    """Return the message of a response."""
    return {
        "type": "message",
        "id": f"msg_{key}",
        "role": "assistant",
        "status": status,
        "content": list(parts),
    }


def call_item(key: str, place: int, identity: str, name: str) -> Document:
    """Return a tool call whose arguments are still to come."""
    return {
        "type": "function_call",
        "id": f"fc_{key}_{place}",
        "call_id": identity,
        "name": name,
        "arguments": "",
        "status": "in_progress",
    }


def reasoning_item(key: str, text: str, sealed: str | None) -> Document:
    """Return the reasoning of a response, in the open where the model shows it."""
    made: Document = {"type": "reasoning", "id": f"rs_{key}", "summary": []}
    made["content"] = [{"type": "reasoning_text", "text": text}] if text else []
    return made | ({"encrypted_content": sealed} if sealed else {})


def seal(details: object) -> str | None:
    """Return details of reasoning as one opaque text, which a client hands back as it is."""
    listed = as_objects(details)
    return write_json(listed) if listed else None


def unseal(sealed: str) -> list[Document]:
    """Return the details of reasoning in a sealed text; one of somebody else is a detail itself."""
    try:
        details: object = orjson.loads(sealed)
    except orjson.JSONDecodeError:
        details = None
    listed = [dict(each) for each in as_objects(details)]
    return listed or [{"type": "reasoning.encrypted", "data": sealed}]


def read_usage(holder: Object) -> Document | None:
    """Return the usage of a chat answer as responses count it, None if it told none."""
    usage = usage_of(as_object(holder.get("usage")))
    inward, outward = usage.total_input, usage.total_output
    if inward is None and outward is None:
        return None
    written = (usage.cache_write or 0) + (usage.cache_write_1h or 0)
    return {
        "input_tokens": inward or 0,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read or 0,
            "cache_write_tokens": written,
        },
        "output_tokens": outward or 0,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": (inward or 0) + (outward or 0),
    }
