"""Anthropic's messages, as the proxy serves them.

Source: Anthropic's API reference, "Create a Message", "Streaming Messages" and "Errors".
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.errors import MalformedAnswer
from holdfast.proxy.formats.message_requests import read_request
from holdfast.proxy.formats.message_streams import (
    MessagesWriter,
    error_body,
    message_id,
    read_usage,
    stop_reason,
)
from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.dialects.values import as_object, as_objects, as_text, parse_arguments


class Messages:
    """Serve `/v1/messages`."""

    id_header = "request-id"

    def read(self, document: Object) -> AskedMessages:
        return AskedMessages(body=read_request(document))

    def error(self, status: int, message: str, field: str | None = None) -> Document:  # noqa: ARG002 - the message names it
        return error_body(status, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMessages:
    """A request of messages, as a chat request."""

    body: Document

    def answer(self, completion: Object) -> Document:
        choices = as_objects(completion.get("choices"))
        if not choices:
            raise MalformedAnswer("the answer holds no message")
        message = as_object(choices[0].get("message"))
        return {
            "id": message_id(completion.get("id")),
            "type": "message",
            "role": "assistant",
            "model": as_text(completion.get("model")),
            "content": _content(message),
            "stop_reason": stop_reason(choices[0].get("finish_reason")),
            "stop_sequence": None,
            "usage": read_usage(completion),
        }

    def writer(self) -> MessagesWriter:
        return MessagesWriter(as_text(self.body.get("model")))


def _content(message: Object) -> list[Document]:
    blocks = _thoughts(message)
    text = as_text(message.get("content")) or as_text(message.get("refusal"))
    if text:
        blocks.append({"type": "text", "text": text})
    for call in as_objects(message.get("tool_calls")):
        function = as_object(call.get("function"))
        arguments = parse_arguments(as_text(function.get("arguments")))
        if arguments is None:
            raise MalformedAnswer("the model wrote arguments of a tool that are no JSON object")
        name = as_text(function.get("name"))
        blocks.append(
            {"type": "tool_use", "id": as_text(call.get("id")), "name": name, "input": arguments}
        )
    return blocks


def _thoughts(message: Object) -> list[Document]:
    """Return the thinking with its signatures, or as one text where there are none."""
    made: list[Document] = []
    for detail in as_objects(message.get("reasoning_details")):
        if detail.get("type") == "reasoning.encrypted":
            made.append({"type": "redacted_thinking", "data": as_text(detail.get("data"))})
        elif detail.get("type") == "reasoning.text":
            thought, signature = as_text(detail.get("text")), as_text(detail.get("signature"))
            made.append({"type": "thinking", "thinking": thought, "signature": signature})
    reasoning = as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
    if reasoning and not any(block["type"] == "thinking" for block in made):
        made.append({"type": "thinking", "thinking": reasoning, "signature": ""})
    return made
