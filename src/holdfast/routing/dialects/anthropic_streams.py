"""Turn the events of Anthropic's messages into chat chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from holdfast.errors import MalformedAnswer
from holdfast.routing.dialects import answers, failing
from holdfast.routing.dialects.seam import Document, Object, Stamp
from holdfast.routing.dialects.values import as_object, as_text, excerpt, parse_object, write_json
from holdfast.tracing.billing.usage import usage_of
from holdfast.tracing.meaning import TokenUsage

FORMAT = "anthropic-claude-v1"
_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def finish_reason(stop_reason: object) -> str:
    """Return why an answer ended as chat completions say it; a reason that is new is `stop`."""
    return _FINISHES.get(as_text(stop_reason), "stop")


def thinking(block: Object) -> Document | None:
    """Return a block of thinking as an entry of `reasoning_details`, None for any other block."""
    match block.get("type"):
        case "thinking":
            return {
                "type": "reasoning.text",
                "text": as_text(block.get("thinking")),
                "signature": as_text(block.get("signature")) or None,
                "format": FORMAT,
            }
        case "redacted_thinking":
            return {
                "type": "reasoning.encrypted",
                "data": as_text(block.get("data")),
                "format": FORMAT,
            }
        case _:
            return None


@dataclass(slots=True)
class _Block:
    """A content block that is being streamed."""

    start: Object
    call: int = -1
    said: list[str] = field(default_factory=list[str])
    signature: str = ""


class AnthropicReader:
    """Read one stream of messages."""

    passes = False

    def __init__(self, stamp: Stamp) -> None:
        self.ended = False
        self.reason = ""
        self._stamp = stamp
        self._blocks: dict[object, _Block] = {}
        self._calls = 0
        self._usage: Document = {}
        self._begun = self._stopped = False
        self._takes: Mapping[str, Callable[[Object], Sequence[Document]]] = {
            "message_start": self._start,
            "content_block_start": self._open,
            "content_block_delta": self._delta,
            "content_block_stop": self._close,
            "message_delta": self._stop,
            "message_stop": self._end,
        }

    @property
    def finished(self) -> bool:
        return self._begun and (self._stopped or self.ended)

    @property
    def usage(self) -> TokenUsage:
        return usage_of(self._usage)

    def feed(self, event: str | None, data: bytes) -> Sequence[Document]:
        if self.ended:
            return ()
        told = parse_object(data)
        kind = as_text(told.get("type")) or event
        if kind == "error" or told.get("error"):
            failing.raise_error(told.get("error") or told)
        if kind is None:
            raise MalformedAnswer(f"an event of the stream has no type: {excerpt(data)}")
        take = self._takes.get(kind)
        # Pings, and events that are yet to be invented: Anthropic asks to ignore those.
        return take(told) if take is not None else ()

    def _start(self, event: Object) -> Sequence[Document]:
        message = as_object(event.get("message"))
        self._begun = True
        self._count(message)
        self._stamp = replace(
            self._stamp,
            id=as_text(message.get("id")) or self._stamp.id,
            model=as_text(message.get("model")) or self._stamp.model,
        )
        return [self._chunk({"role": "assistant", "content": ""})]

    def _open(self, event: Object) -> Sequence[Document]:
        block = _Block(start=as_object(event.get("content_block")))
        self._blocks[_index(event)] = block
        start = block.start
        if start.get("type") == "tool_use":
            block.call, self._calls = self._calls, self._calls + 1
            made = answers.call(
                as_text(start.get("id")), as_text(start.get("name")), "", index=block.call
            )
            return [self._chunk({"tool_calls": [made]})]
        if start.get("type") == "thinking":
            block.signature = as_text(start.get("signature"))
        return self._say(block, as_text(start.get("text")) or as_text(start.get("thinking")))

    def _delta(self, event: Object) -> Sequence[Document]:
        block = self._blocks.get(_index(event))
        if block is None:
            raise MalformedAnswer("the stream goes on with a block that it did not begin")
        delta = as_object(event.get("delta"))
        if signature := as_text(delta.get("signature")):
            block.signature += signature
        for name in ("text", "thinking", "partial_json"):
            if text := as_text(delta.get(name)):
                return self._say(block, text)
        return ()

    def _say(self, block: _Block, text: str) -> Sequence[Document]:
        if not text:
            return ()
        block.said.append(text)
        if block.call >= 0:
            piece = {"index": block.call, "function": {"arguments": text}}
            return [self._chunk({"tool_calls": [piece]})]
        name = "reasoning_content" if block.start.get("type") == "thinking" else "content"
        return [self._chunk({name: text})]

    def _close(self, event: Object) -> Sequence[Document]:
        block = self._blocks.pop(_index(event), None)
        if block is None:
            return ()
        if block.call >= 0 and not block.said:  # a call without arguments streams none at all
            return self._say(block, write_json(as_object(block.start.get("input"))))
        whole = {**block.start, "thinking": "".join(block.said), "signature": block.signature}
        detail = thinking(whole)
        return [self._chunk({"reasoning_details": [detail]})] if detail else ()

    def _stop(self, event: Object) -> Sequence[Document]:
        self._count(event)
        reason = as_text(as_object(event.get("delta")).get("stop_reason"))
        if not reason or self._stopped:
            return ()
        self._stopped, self.reason = True, finish_reason(reason)
        return [
            self._chunk({}, self.reason),
            *answers.usage_chunk(self._stamp, self.usage),
        ]

    def _end(self, event: Object) -> Sequence[Document]:
        self.ended = True
        if self._stopped or not self._begun:
            return ()
        return self._stop({**event, "delta": {"stop_reason": "end_turn"}})

    def _count(self, holder: Object) -> None:
        """Take over the counts that a later event repeats or adds; null repeats nothing."""
        usage = as_object(holder.get("usage"))
        self._usage |= {name: value for name, value in usage.items() if value is not None}

    def _chunk(self, delta: Object, finish: str | None = None) -> Document:
        return answers.chunk(self._stamp, delta, finish)


def _index(event: Object) -> object:
    index = event.get("index")
    return index if isinstance(index, int) else 0
