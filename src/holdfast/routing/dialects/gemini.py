"""Google's Gemini.

Source: Google's API reference, "models.generateContent" and "models.streamGenerateContent".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from holdfast.errors import MalformedAnswer
from holdfast.routing.dialects import answers, failing
from holdfast.routing.dialects.framing import EventFrames
from holdfast.routing.dialects.gemini_requests import encode_request
from holdfast.routing.dialects.seam import Document, Object, Stamp
from holdfast.routing.dialects.values import (
    as_object,
    as_objects,
    as_text,
    excerpt,
    parse_object,
    write_json,
)
from holdfast.tracing.billing.usage import usage_of
from holdfast.tracing.meaning import TokenUsage

_FINISHES = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
_FILTERS = frozenset({
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "NO_IMAGE",
})  # fmt: skip
_BROKEN = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})


class Gemini:
    """Speak generateContent; the base address ends in /v1beta."""

    @property
    def name(self) -> str:
        return "gemini"

    def path(self, model: str, *, stream: bool) -> str:
        named = quote(model.removeprefix("models/"), safe="")
        return f"/models/{named}:" + (
            "streamGenerateContent?alt=sse" if stream else "generateContent"
        )

    def headers(self, key: str | None) -> Mapping[str, str]:
        headers = {"Content-Type": "application/json"}
        return headers | ({"x-goog-api-key": key} if key else {})

    def encode(self, body: Object) -> Document:
        return encode_request(body)

    def decode(self, document: Object, stamp: Stamp) -> Document:
        failing.raise_error(document.get("error"))
        taken = _Taken(stamp)
        deltas, finish = taken.read(document)
        calls = [
            {name: value for name, value in call.items() if name != "index"}
            for delta in deltas
            for call in as_objects(delta.get("tool_calls"))
        ]
        message = answers.message(
            "".join(as_text(delta.get("content")) for delta in deltas),
            calls,
            reasoning="".join(as_text(delta.get("reasoning_content")) for delta in deltas),
        )
        if finish is None:
            raise MalformedAnswer("the answer does not say why it ended")
        return answers.completion(taken.stamp, message, finish, self.usage(document))

    def frames(self) -> EventFrames:
        return EventFrames()

    def reader(self, stamp: Stamp) -> GeminiReader:
        return GeminiReader(stamp)

    def usage(self, document: Object) -> TokenUsage:
        return usage_of(as_object(document.get("usageMetadata")))

    def error_text(self, status: int, body: bytes) -> str:  # noqa: ARG002 - the body says it
        return failing.error_text(body)


class GeminiReader:
    """Read one stream, whose events are answers in pieces and whose last says why it ended."""

    passes = False

    def __init__(self, stamp: Stamp) -> None:
        self._taken = _Taken(stamp)
        self._usage: Object = {}
        self._begun = self.finished = False
        self.reason = ""

    @property
    def ended(self) -> bool:
        return self.finished

    @property
    def usage(self) -> TokenUsage:
        return usage_of(self._usage)

    def feed(self, event: str | None, data: bytes) -> Sequence[Document]:  # noqa: ARG002 - unnamed
        if self.finished:
            return ()
        told = parse_object(data)
        failing.raise_error(told.get("error"))
        self._usage = as_object(told.get("usageMetadata")) or self._usage
        if not told.get("candidates") and not told.get("promptFeedback") and self._usage:
            return ()
        deltas, finish = self._taken.read(told)
        stamp = self._taken.stamp
        chunks = [answers.chunk(stamp, delta) for delta in deltas]
        if not self._begun:
            self._begun = True
            chunks.insert(0, answers.chunk(stamp, {"role": "assistant", "content": ""}))
        if finish is not None:
            self.finished, self.reason = True, finish
            chunks.append(answers.chunk(stamp, {}, finish))
            chunks += answers.usage_chunk(stamp, self.usage)
        return chunks


class _Taken:
    """What answers have in common, whole or in pieces: ids of calls, and the count of them."""

    def __init__(self, stamp: Stamp) -> None:
        self.stamp = stamp
        self._calls = 0

    def read(self, document: Object) -> tuple[list[Document], str | None]:
        """Return what an answer adds, as deltas of chat, and why it ended if it did."""
        self.stamp = replace(
            self.stamp,
            id=as_text(document.get("responseId")) or self.stamp.id,
            model=as_text(document.get("modelVersion")) or self.stamp.model,
        )
        if as_object(document.get("promptFeedback")).get("blockReason"):
            return [], "content_filter"
        candidates = as_objects(document.get("candidates"))
        if not candidates:
            raise MalformedAnswer(
                f"the answer holds no candidate: {excerpt(write_json(document))}",
                hint="is this really an endpoint of Gemini?",
            )
        parts = as_objects(as_object(candidates[0].get("content")).get("parts"))
        deltas = [delta for part in parts if (delta := self._delta(part))]
        return deltas, self._finish(as_text(candidates[0].get("finishReason")))

    def _delta(self, part: Object) -> Document | None:
        if asked := as_object(part.get("functionCall")):
            return {"tool_calls": [self._call(asked, as_text(part.get("thoughtSignature")))]}
        text = as_text(part.get("text"))
        return (
            {"reasoning_content" if part.get("thought") is True else "content": text}
            if text
            else None
        )

    def _call(self, asked: Object, signature: str) -> Document:
        index, self._calls = self._calls, self._calls + 1
        made = answers.call(
            as_text(asked.get("id")) or f"call_{self.stamp.id}_{index}",
            as_text(asked.get("name")),
            write_json(as_object(asked.get("args"))),
            index=index,
        )
        kept = {"extra_content": {"google": {"thought_signature": signature}}}
        return made | (kept if signature else {})

    def _finish(self, reason: str) -> str | None:
        if reason in _BROKEN:
            raise MalformedAnswer(f"the model could not write its tool call ({reason})")
        if not reason or reason == "FINISH_REASON_UNSPECIFIED":
            return None
        if reason in _FILTERS:
            return "content_filter"
        finish = _FINISHES.get(reason, "stop")
        return "tool_calls" if self._calls and finish == "stop" else finish
