"""OpenAI's chat completions: the form inside, so nearly everything passes as it is.

Source: OpenAI's API reference, "Create chat completion" and "The chat completion chunk object".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from holdfast.errors import MalformedAnswer
from holdfast.routing.dialects import failing
from holdfast.routing.dialects.framing import EventFrames
from holdfast.routing.dialects.requests import check_request
from holdfast.routing.dialects.seam import Document, Object, Stamp
from holdfast.routing.dialects.values import (
    as_list,
    as_object,
    as_objects,
    excerpt,
    parse_object,
    write_json,
)
from holdfast.tracing.billing.usage import usage_of
from holdfast.tracing.meaning import TokenUsage

_DONE = b"[DONE]"
EXTENSIONS = frozenset(
    {"cache_control", "extra_content", "is_error", "reasoning_content", "reasoning_details"}
)
"""What the form inside has in messages, on top of OpenAI's; an answer can do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAI:
    """Speak chat completions.

    `stream_usage`: usage is asked for in every stream, whether or not the caller wants to see it.
    `completion_tokens`: the limit is called `max_completion_tokens`. `extensions`: what the form
    inside has on top of OpenAI's is sent too; OpenRouter and others read it, OpenAI may refuse it.
    """

    stream_usage: bool = True
    completion_tokens: bool = False
    extensions: bool = True

    @property
    def name(self) -> str:
        return "openai"

    def path(self, model: str, *, stream: bool) -> str:  # noqa: ARG002 - one path for all
        return "/chat/completions"

    def headers(self, key: str | None) -> Mapping[str, str]:
        headers = {"Content-Type": "application/json"}
        return headers | ({"Authorization": f"Bearer {key}"} if key else {})

    def encode(self, body: Object) -> Document:
        check_request(body)
        made = dict(body)
        if made.get("stream") and self.stream_usage:
            made["stream_options"] = {
                **as_object(made.get("stream_options")),
                "include_usage": True,
            }
        elif not made.get("stream") or not self.stream_usage:
            made.pop("stream_options", None)
        if self.completion_tokens and "max_tokens" in made:
            limit = made.pop("max_tokens")
            made.setdefault("max_completion_tokens", limit)
        if not self.extensions:
            made.pop("thinking", None)
            made["messages"] = _plain(made["messages"])
        return made

    def decode(self, document: Object, stamp: Stamp) -> Document:  # noqa: ARG002 - it has its own
        failing.raise_error(document.get("error"))
        choices = as_objects(document.get("choices"))
        if not choices or not all([as_object(each.get("message")) for each in choices]):  # noqa: C419
            raise MalformedAnswer(
                f"the answer holds no message: {excerpt(write_json(document))}",
                hint="is this really an endpoint of chat completions?",
            )
        return dict(document)

    def frames(self) -> EventFrames:
        return EventFrames()

    def reader(self, stamp: Stamp) -> OpenAIReader:  # noqa: ARG002 - chunks have their own
        return OpenAIReader()

    def usage(self, document: Object) -> TokenUsage:
        return usage_of(as_object(document.get("usage")))

    def error_text(self, status: int, body: bytes) -> str:  # noqa: ARG002 - the body says it
        return failing.error_text(body)


class OpenAIReader:
    """Check chunks and pass them on as they came."""

    def __init__(self) -> None:
        self.ended = False
        self.passes = True
        self.reason = ""
        self._open: set[object] = set()
        self._closed: set[object] = set()
        self._usage: Object = {}

    @property
    def finished(self) -> bool:
        return bool(self._closed or self._open) and (self.ended or not self._open)

    @property
    def usage(self) -> TokenUsage:
        return usage_of(self._usage)

    def feed(self, event: str | None, data: bytes) -> Sequence[Document]:
        if event is not None or data == _DONE or self.ended:
            return self._take(event, data)
        chunk = self._more_of(data)
        return self._take(event, data) if chunk is None else (chunk,)

    def _more_of(self, data: bytes) -> Document | None:
        """Return a chunk that only goes on with a choice, as nearly all do, at a fifth of the cost."""
        try:
            chunk: dict[str, Any] = orjson.loads(data)
            (choice,) = chunk["choices"]
            if (
                choice["finish_reason"] is None
                and choice["index"] in self._open
                and not chunk.get("error")
                and not chunk.get("usage")
            ):
                return chunk
        except (KeyError, TypeError, ValueError):
            pass
        return None

    def _take(self, event: str | None, data: bytes) -> Sequence[Document]:
        if self.ended:
            return ()
        if data[:1] != b"{" and data.strip() == _DONE:
            self.ended = True
            return ()
        chunk = parse_object(data)
        if event == "error" or chunk.get("error"):
            failing.raise_error(chunk.get("error") or chunk)
        if (usage := chunk.get("usage")) and (usage := as_object(usage)):
            self._usage = usage
        choices = chunk.get("choices")
        if isinstance(choices, list):
            self._note(choices)  # pyright: ignore[reportUnknownArgumentType] - a cast is dearer
        elif usage:
            chunk["choices"], self.passes = [], False
        else:
            raise MalformedAnswer(f"an event of the stream is no chunk: {excerpt(data)}")
        return (chunk,)

    def _note(self, choices: Iterable[object]) -> None:
        for choice in choices:
            fields = as_object(choice)
            index, reason = fields.get("index", 0), fields.get("finish_reason")
            index = index if isinstance(index, int) else 0
            if isinstance(reason, str):
                self._open.discard(index)
                self._closed.add(index)
                self.reason = reason
            elif index not in self._closed:
                self._open.add(index)


def _plain(messages: object) -> list[object]:
    return [_without(message) for message in as_list(messages)]


def _without(value: object) -> object:
    """Return a message without our extensions, which stand in it, its parts and its calls."""
    fields = as_object(value)
    if not fields:
        return value
    made = {name: inner for name, inner in fields.items() if name not in EXTENSIONS}
    for name in ("content", "tool_calls"):
        if isinstance(made.get(name), list):
            made[name] = _plain(made[name])
    return made
