"""Write replies and errors in the wire formats of providers, as their references show them.

Written apart from `holdfast.routing.dialects`, so that each can be held against the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Protocol

from holdfast.testing.upstream.replies import Reply, ToolUse, cut

Document = dict[str, object]
CREATED = 1_700_000_000


class WireFormat(Protocol):
    """One wire format, from the side of the provider."""

    content_type: str
    """The media type of a stream."""

    def whole(self, reply: Reply, model: str) -> Document:
        """Return a whole answer."""
        ...

    def events(self, reply: Reply, model: str) -> Iterator[bytes]:
        """Yield the events of a stream, the last of them its end mark if it has one."""
        ...

    def error(self, status: int, message: str) -> Document:
        """Return the body of an error."""
        ...

    def error_event(self, message: str) -> bytes:
        """Return an error in a stream."""
        ...

    def broken_event(self) -> bytes:
        """Return an event of a stream that holds no JSON."""
        ...


def format_at(path: str) -> WireFormat | None:
    """Return the format that is spoken at a path, None if nothing is there."""
    named = path.partition("?")[0]
    if named.endswith("/chat/completions"):
        return ChatCompletions()
    if named.endswith("/messages"):
        return Messages()
    if named.endswith((":generateContent", ":streamGenerateContent")):
        return Gemini()
    return Ollama() if named.endswith("/api/chat") else None


def _data(value: object, event: str = "") -> bytes:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()


class _Events:
    """What formats that stream server-sent events have in common."""

    content_type: str = "text/event-stream"

    def broken_event(self) -> bytes:
        return b'data: {"choices": [{"delta": {"con\n\n'


class ChatCompletions(_Events):
    """OpenAI's chat completions."""

    def whole(self, reply: Reply, model: str) -> Document:
        message: Document = {"role": "assistant", "content": reply.text or None, "refusal": None}
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
        if reply.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in reply.calls
            ]
        choice = {"index": 0, "message": message, "finish_reason": reply.ending, "logprobs": None}
        head = self._head(model, "chat.completion")
        return head | {"choices": [choice], "usage": self._usage(reply)}

    def events(self, reply: Reply, model: str) -> Iterator[bytes]:
        head = self._head(model, "chat.completion.chunk")
        for delta in self._deltas(reply):
            yield _data(head | {"choices": [self._piece(delta, None)]})
        yield _data(head | {"choices": [self._piece({}, reply.ending)]})
        last: Document = {"choices": [], "usage": self._usage(reply)}
        yield _data(head | last)
        yield b"data: [DONE]\n\n"

    def error(self, status: int, message: str) -> Document:
        kind = {401: "invalid_request_error", 429: "rate_limit_error"}.get(status, "server_error")
        code = {401: "invalid_api_key", 402: "insufficient_quota"}.get(status)
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def error_event(self, message: str) -> bytes:
        return _data(self.error(500, message))

    def _piece(self, delta: Document, finish: str | None) -> Document:
        return {"index": 0, "delta": delta, "finish_reason": finish}

    def _deltas(self, reply: Reply) -> Iterator[Document]:
        yield {"role": "assistant", "content": ""}
        if reply.reasoning:
            yield {"reasoning_content": reply.reasoning}
        for piece in cut(reply.text, reply.pieces):
            yield {"content": piece}
        for index, call in enumerate(reply.calls):
            function = {"name": call.name, "arguments": ""}
            yield {
                "tool_calls": [
                    {"index": index, "id": call.id, "type": "function", "function": function}
                ]
            }
            for piece in cut(call.arguments, 2):
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def _head(self, model: str, kind: str) -> Document:
        return {"id": "chatcmpl-upstream", "object": kind, "created": CREATED, "model": model}

    def _usage(self, reply: Reply) -> Document:
        told = reply.reported
        usage: Document = {
            "prompt_tokens": told.input,
            "completion_tokens": told.output,
            "total_tokens": told.input + told.output,
            "prompt_tokens_details": {"cached_tokens": told.cached},
            "completion_tokens_details": {"reasoning_tokens": told.reasoning},
        }
        return usage | ({} if reply.cost is None else {"cost": reply.cost})


class Messages(_Events):
    """Anthropic's messages."""

    def whole(self, reply: Reply, model: str) -> Document:
        content: list[Document] = []
        if reply.reasoning:
            content.append({"type": "thinking", "thinking": reply.reasoning, "signature": "signed"})
        if reply.text:
            content.append({"type": "text", "text": reply.text})
        content += [self._use(call) for call in reply.calls]
        told = {"content": content, "stop_reason": self._reason(reply), "usage": self._usage(reply)}
        return self._head(model) | told

    def events(self, reply: Reply, model: str) -> Iterator[bytes]:
        usage = self._usage(reply) | {"output_tokens": 1}
        head: Document = {"content": [], "stop_reason": None, "usage": usage}
        yield self._event("message_start", message=self._head(model) | head)
        yield self._event("ping")
        for index, (start, deltas) in enumerate(self._blocks(reply)):
            yield self._event("content_block_start", index=index, content_block=start)
            for delta in deltas:
                yield self._event("content_block_delta", index=index, delta=delta)
            yield self._event("content_block_stop", index=index)
        delta = {"stop_reason": self._reason(reply), "stop_sequence": None}
        yield self._event("message_delta", delta=delta, usage=self._usage(reply))
        yield self._event("message_stop")

    def error(self, status: int, message: str) -> Document:
        kinds = {401: "authentication_error", 402: "billing_error", 429: "rate_limit_error"}
        kind = kinds.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}

    def error_event(self, message: str) -> bytes:
        return _data(self.error(500, message), "error")

    def _use(self, call: ToolUse) -> Document:
        given = json.loads(call.arguments)
        return {"type": "tool_use", "id": call.id, "name": call.name, "input": given}

    def _blocks(self, reply: Reply) -> Iterator[tuple[Document, list[Document]]]:
        if reply.reasoning:
            thought: list[Document] = [
                {"type": "thinking_delta", "thinking": reply.reasoning},
                {"type": "signature_delta", "signature": "signed"},
            ]
            yield {"type": "thinking", "thinking": "", "signature": ""}, thought
        if reply.text:
            said: list[Document] = [
                {"type": "text_delta", "text": piece} for piece in cut(reply.text, reply.pieces)
            ]
            yield {"type": "text", "text": ""}, said
        for call in reply.calls:
            start: Document = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            pieces = cut(call.arguments, 2) if call.arguments != "{}" else []
            yield (
                start,
                [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces)],
            )

    def _event(self, kind: str, **fields: object) -> bytes:
        return _data({"type": kind} | fields, kind)

    def _head(self, model: str) -> Document:
        return {
            "id": "msg_upstream",
            "type": "message",
            "role": "assistant",
            "model": model,
            "stop_sequence": None,
        }

    def _reason(self, reply: Reply) -> str:
        reasons = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
        return reasons.get(reply.ending, "end_turn")

    def _usage(self, reply: Reply) -> Document:
        told = reply.reported
        return {
            "input_tokens": told.input - told.cached,
            "cache_read_input_tokens": told.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": told.output,
            "output_tokens_details": {"thinking_tokens": told.reasoning},
        }


class Gemini(_Events):
    """Google's Gemini."""

    def whole(self, reply: Reply, model: str) -> Document:
        parts = self._thoughts(reply)
        if reply.text:
            parts.append({"text": reply.text})
        return self._answer(reply, model, [*parts, *self._calls(reply)], last=True)

    def events(self, reply: Reply, model: str) -> Iterator[bytes]:
        pieces: list[Document] = [{"text": piece} for piece in cut(reply.text, reply.pieces)]
        for part in [*self._thoughts(reply), *pieces, *self._calls(reply)]:
            yield _data(self._answer(reply, model, [part], last=False))
        yield _data(self._answer(reply, model, [{"text": ""}], last=True))

    def error(self, status: int, message: str) -> Document:
        kinds = {401: "UNAUTHENTICATED", 402: "FAILED_PRECONDITION", 429: "RESOURCE_EXHAUSTED"}
        kind = kinds.get(status, "INTERNAL")
        return {"error": {"code": status, "message": message, "status": kind}}

    def error_event(self, message: str) -> bytes:
        return _data(self.error(500, message))

    def _thoughts(self, reply: Reply) -> list[Document]:
        return [{"text": reply.reasoning, "thought": True}] if reply.reasoning else []

    def _calls(self, reply: Reply) -> list[Document]:
        return [
            {
                "functionCall": {
                    "id": call.id,
                    "name": call.name,
                    "args": json.loads(call.arguments),
                },
                "thoughtSignature": "c2lnbmVk",
            }
            for call in reply.calls
        ]

    def _answer(self, reply: Reply, model: str, parts: list[Document], *, last: bool) -> Document:
        reasons = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}
        candidate: Document = {"content": {"role": "model", "parts": parts}, "index": 0}
        if last:
            candidate["finishReason"] = reasons.get(reply.ending, "STOP")
        told = reply.reported
        counts: Document = {"promptTokenCount": told.input, "cachedContentTokenCount": told.cached}
        if last:
            counts["candidatesTokenCount"] = told.output - told.reasoning
            counts["thoughtsTokenCount"] = told.reasoning
            counts["totalTokenCount"] = told.input + told.output
        return {
            "candidates": [candidate],
            "usageMetadata": counts,
            "modelVersion": model,
            "responseId": "gemini-upstream",
        }


class Ollama:
    """Ollama's chat, which streams JSON lines; it counts neither cached tokens nor reasoning."""

    content_type: str = "application/x-ndjson"

    def whole(self, reply: Reply, model: str) -> Document:
        message: Document = {"role": "assistant", "content": reply.text}
        if reply.reasoning:
            message["thinking"] = reply.reasoning
        if reply.calls:
            message["tool_calls"] = self._calls(reply)
        return self._line(model, message) | self._last(reply)

    def events(self, reply: Reply, model: str) -> Iterator[bytes]:
        messages: list[Document] = [{"content": piece} for piece in cut(reply.text, reply.pieces)]
        if reply.reasoning:
            messages.insert(0, {"content": "", "thinking": reply.reasoning})
        if reply.calls:
            messages.append({"content": "", "tool_calls": self._calls(reply)})
        for message in messages:
            yield self._bytes(self._line(model, {"role": "assistant"} | message) | {"done": False})
        yield self._bytes(
            self._line(model, {"role": "assistant", "content": ""}) | self._last(reply)
        )

    def error(self, status: int, message: str) -> Document:  # noqa: ARG002 - it says no more
        return {"error": message}

    def error_event(self, message: str) -> bytes:
        return self._bytes(self.error(500, message))

    def broken_event(self) -> bytes:
        return b'{"message": {"con\n'

    def _calls(self, reply: Reply) -> list[Document]:
        return [
            {"function": {"name": call.name, "arguments": json.loads(call.arguments)}}
            for call in reply.calls
        ]

    def _line(self, model: str, message: Document) -> Document:
        return {"model": model, "created_at": "2023-11-14T22:13:20Z", "message": message}

    def _last(self, reply: Reply) -> Document:
        told = reply.reported
        return {
            "done": True,
            "done_reason": "length" if reply.ending == "length" else "stop",
            "prompt_eval_count": told.input,
            "eval_count": told.output,
        }

    def _bytes(self, value: Document) -> bytes:
        return json.dumps(value).encode() + b"\n"
