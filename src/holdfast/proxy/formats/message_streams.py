"""Write chat chunks as the events of Anthropic's messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.errors import MalformedAnswer
from holdfast.proxy.formats.seam import event
from holdfast.routing.dialects.seam import Batch, Document, Object
from holdfast.routing.dialects.values import as_object, as_objects, as_text
from holdfast.tracing.billing.usage import usage_of

_REASONS = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error",
    403: "permission_error", 404: "not_found_error", 413: "request_too_large",
    422: "invalid_request_error", 429: "rate_limit_error", 504: "timeout_error",
    529: "overloaded_error",
}  # fmt: skip


def stop_reason(finish: object) -> str:
    """Return why an answer ended, as messages say it."""
    return _REASONS.get(as_text(finish), "end_turn")


def message_id(identity: object) -> str:
    """Return the id of a message, which begins with msg_."""
    named = as_text(identity).removeprefix("chatcmpl-") or "unknown"
    return named if named.startswith("msg_") else f"msg_{named}"


def error_body(status: int, message: str) -> Document:
    """Return the body of an error."""
    kind = _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


def read_usage(holder: Object) -> Document:
    """Return the usage of a chat answer as messages count it: what was cached stands beside."""
    usage = usage_of(as_object(holder.get("usage")))
    read, written = usage.cache_read or 0, (usage.cache_write or 0) + (usage.cache_write_1h or 0)
    made: Document = {
        "input_tokens": max(0, (usage.total_input or 0) - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.total_output or 0,
    }
    if usage.reasoning is not None:
        made["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return made


@dataclass(slots=True)
class _Call:
    """A tool call; until its block was opened its arguments wait for the calls before it."""

    start: Document
    opened: bool = False
    waiting: list[str] = field(default_factory=list[str])


class MessagesWriter:
    """Write one stream.

    Blocks follow one another: of several tool calls the first is passed on as it comes, and those
    after it when it is known to be complete, which chat chunks only say at their end.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._begun = False
        self._index = -1
        self._kind = ""
        self._calls: dict[object, _Call] = {}
        self._live: object = None
        self._signed = False
        self._finish: object = None
        self._usage: Object = {}

    def feed(self, chunk: Object) -> bytes:
        written = b"" if self._begun else self._begin(chunk)
        if as_object(chunk.get("usage")):
            self._usage = {"usage": chunk["usage"]}
        for choice in as_objects(chunk.get("choices")):
            if choice.get("index") in (None, 0):
                written += self._take(as_object(choice.get("delta")))
                self._finish = choice.get("finish_reason") or self._finish
        return written

    def pass_on(self, batch: Batch) -> bytes:  # noqa: ARG002 - the format is another one
        return b""

    def finish(self, report: Object | None = None) -> bytes:
        written = (b"" if self._begun else self._begin({})) + self._close()
        delta = {"stop_reason": stop_reason(self._finish), "stop_sequence": None}
        written += event(
            "message_delta",
            {"type": "message_delta", "delta": delta, "usage": read_usage(self._usage)},
        )
        told = {} if report is None else {"holdfast": report}
        return written + event("message_stop", {"type": "message_stop", **told})

    def fail(self, status: int, message: str) -> bytes:
        return event("error", error_body(status, message))

    def _begin(self, chunk: Object) -> bytes:
        self._begun = True
        message: Document = {
            "id": message_id(chunk.get("id")),
            "type": "message",
            "role": "assistant",
            "model": as_text(chunk.get("model")) or self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": read_usage(chunk),
        }
        return event("message_start", {"type": "message_start", "message": message})

    def _take(self, delta: Object) -> bytes:
        written = b""
        thought = as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning"))
        if thought:
            written += self._close() if self._signed else b""
            written += self._turn_to("thinking", {"thinking": "", "signature": ""})
            written += self._delta("thinking_delta", thinking=thought)
        for detail in as_objects(delta.get("reasoning_details")):
            written += self._detail(detail)
        if text := as_text(delta.get("content")) or as_text(delta.get("refusal")):
            written += self._turn_to("text", {"text": ""})
            written += self._delta("text_delta", text=text)
        for call in as_objects(delta.get("tool_calls")):
            written += self._call(call)
        return written

    def _detail(self, detail: Object) -> bytes:
        """Write a signature, with the thinking it is for unless that was streamed before."""
        if data := as_text(detail.get("data")):
            return self._turn_to("redacted_thinking", {"data": data}) + self._close()
        signature, written = as_text(detail.get("signature")), b""
        if not signature:
            return b""
        if self._kind != "thinking" or self._signed:
            written = self._close() + self._turn_to("thinking", {"thinking": "", "signature": ""})
            if thought := as_text(detail.get("text")):
                written += self._delta("thinking_delta", thinking=thought)
        self._signed = True
        return written + self._delta("signature_delta", signature=signature)

    def _call(self, call: Object) -> bytes:
        index, function = call.get("index", 0), as_object(call.get("function"))
        piece, written = as_text(function.get("arguments")), b""
        if index not in self._calls:
            start: Document = {
                "id": as_text(call.get("id")),
                "name": as_text(function.get("name")),
                "input": {},
            }
            if self._kind != "tool_use":
                written, self._live = self._turn_to("tool_use", start), index
            self._calls[index] = _Call(start, opened=index == self._live)
        if index == self._live and self._kind == "tool_use":
            return written + (self._delta("input_json_delta", partial_json=piece) if piece else b"")
        if self._calls[index].opened:
            raise MalformedAnswer("the provider went on with a tool call that it had left")
        self._calls[index].waiting.append(piece)
        return written

    def _turn_to(self, kind: str, start: Document) -> bytes:
        if self._kind == kind:
            return b""
        written = self._close() + self._open(kind, start)
        self._kind = kind
        return written

    def _open(self, kind: str, start: Document) -> bytes:
        self._index += 1
        block = {"type": kind} | start
        return event(
            "content_block_start",
            {"type": "content_block_start", "index": self._index, "content_block": block},
        )

    def _delta(self, kind: str, **fields: object) -> bytes:
        data = {
            "type": "content_block_delta",
            "index": self._index,
            "delta": {"type": kind} | fields,
        }
        return event("content_block_delta", data)

    def _close(self) -> bytes:
        if not self._kind:
            return b""
        self._kind, self._signed = "", False
        written = self._stop()
        for call in self._calls.values():
            if not call.opened:
                call.opened = True
                written += self._open("tool_use", call.start)
                written += self._delta("input_json_delta", partial_json="".join(call.waiting))
                written += self._stop()
        return written

    def _stop(self) -> bytes:
        return event("content_block_stop", {"type": "content_block_stop", "index": self._index})
