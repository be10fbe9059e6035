"""Anthropic's messages.

Source: Anthropic's API reference, "Create a Message", "Streaming Messages" and "Errors".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from holdfast.errors import MalformedAnswer
from holdfast.routing.dialects import answers, failing
from holdfast.routing.dialects.anthropic_requests import encode_request
from holdfast.routing.dialects.anthropic_streams import AnthropicReader, finish_reason, thinking
from holdfast.routing.dialects.framing import EventFrames
from holdfast.routing.dialects.seam import Document, Object, Stamp
from holdfast.routing.dialects.values import as_object, as_objects, as_text, excerpt, write_json
from holdfast.tracing.billing.usage import usage_of
from holdfast.tracing.meaning import TokenUsage

VERSION = "2023-06-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anthropic:
    """Speak messages.

    `max_tokens` is the limit where a request has none: the endpoint insists on one, and thinking
    counts towards it.
    """

    max_tokens: int = 16_384

    @property
    def name(self) -> str:
        return "anthropic"

    def path(self, model: str, *, stream: bool) -> str:  # noqa: ARG002 - one path for all
        return "/messages"

    def headers(self, key: str | None) -> Mapping[str, str]:
        headers = {"Content-Type": "application/json", "anthropic-version": VERSION}
        return headers | ({"x-api-key": key} if key else {})

    def encode(self, body: Object) -> Document:
        return encode_request(body, limit=self.max_tokens)

    def decode(self, document: Object, stamp: Stamp) -> Document:
        if document.get("type") == "error":
            failing.raise_error(document.get("error") or document)
        failing.raise_error(document.get("error"))
        content = document.get("content")
        if not isinstance(content, list):
            raise MalformedAnswer(
                f"the answer holds no content: {excerpt(write_json(document))}",
                hint="is this really an endpoint of Anthropic's messages?",
            )
        blocks = as_objects(document["content"])
        stamp = replace(
            stamp,
            id=as_text(document.get("id")) or stamp.id,
            model=as_text(document.get("model")) or stamp.model,
        )
        return answers.completion(
            stamp,
            _message(blocks),
            finish_reason(document.get("stop_reason")),
            self.usage(document),
        )

    def frames(self) -> EventFrames:
        return EventFrames()

    def reader(self, stamp: Stamp) -> AnthropicReader:
        return AnthropicReader(stamp)

    def usage(self, document: Object) -> TokenUsage:
        return usage_of(as_object(document.get("usage")))

    def error_text(self, status: int, body: bytes) -> str:  # noqa: ARG002 - the body says it
        return failing.error_text(body)


def _message(blocks: list[Object]) -> Document:
    by_kind: dict[object, list[Object]] = {}
    for block in blocks:
        by_kind.setdefault(block.get("type"), []).append(block)
    calls = [
        answers.call(
            as_text(block.get("id")),
            as_text(block.get("name")),
            write_json(as_object(block.get("input"))),
        )
        for block in by_kind.get("tool_use", [])
    ]
    return answers.message(
        "".join(as_text(block.get("text")) for block in by_kind.get("text", [])),
        calls,
        reasoning="".join(as_text(each.get("thinking")) for each in by_kind.get("thinking", [])),
        details=[detail for block in blocks if (detail := thinking(block))],
    )
