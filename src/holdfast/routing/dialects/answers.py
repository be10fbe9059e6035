"""Build chat completions and their chunks, the form that answers have inside Holdfast."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.routing.dialects.seam import Document, Object, Stamp
from holdfast.routing.dialects.values import as_list, as_object, as_text
from holdfast.tracing.meaning import TokenUsage


def completion(stamp: Stamp, message: Object, finish: str, usage: TokenUsage) -> Document:
    """Return a whole answer with one choice; usage that nobody told is left out."""
    choice = {"index": 0, "message": dict(message), "finish_reason": finish, "logprobs": None}
    document: Document = {
        "id": stamp.id,
        "object": "chat.completion",
        "created": stamp.created,
        "model": stamp.model,
        "choices": [choice],
    }
    return document | told(usage)


def message(
    text: str,
    calls: Sequence[Object] = (),
    *,
    reasoning: str = "",
    details: Sequence[Object] = (),
    refusal: str | None = None,
) -> Document:
    """Return an assistant's message; `content` is None where there is only something else."""
    made: Document = {
        "role": "assistant",
        "content": text or (None if calls or refusal else ""),
        "refusal": refusal,
    }
    if reasoning:
        made["reasoning_content"] = reasoning
    if details:
        made["reasoning_details"] = list(details)
    if calls:
        made["tool_calls"] = list(calls)
    return made


def call(identity: str, name: str, arguments: str, *, index: int | None = None) -> Document:
    """Return a tool call, with an index as a stream has it, or as a whole message has it."""
    made: Document = {} if index is None else {"index": index}
    return made | {
        "id": identity,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def chunk(stamp: Stamp, delta: Object, finish: str | None = None) -> Document:
    """Return one piece of a streamed answer."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish, "logprobs": None}
    return _bare_chunk(stamp) | {"choices": [choice]}


def usage_chunk(stamp: Stamp, usage: TokenUsage) -> list[Document]:
    """Return the last chunk of a stream, which has no choice; none if no usage was told."""
    counted = told(usage)
    return [_bare_chunk(stamp) | {"choices": []} | counted] if counted else []


def told(usage: TokenUsage) -> Document:
    """Return `usage` as chat completions count it: sums, and parts that lie inside them."""
    inward, outward = usage.total_input, usage.total_output
    if inward is None and outward is None:
        return {}
    written = (usage.cache_write or 0) + (usage.cache_write_1h or 0)
    inside: Document = {"cached_tokens": usage.cache_read or 0}
    if written:
        inside["cache_write_tokens"] = written
    counted: Document = {
        "prompt_tokens": inward or 0,
        "completion_tokens": outward or 0,
        "total_tokens": (inward or 0) + (outward or 0),
        "prompt_tokens_details": inside,
    }
    if usage.reasoning is not None:
        counted["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return {"usage": counted}


def reason_of(answer: Object) -> str:
    """Return why the first choice of an answer or a chunk ended, nothing if that is not told."""
    choices = as_list(answer.get("choices"))
    return as_text(as_object(choices[0]).get("finish_reason")) if choices else ""


def _bare_chunk(stamp: Stamp) -> Document:
    return {
        "id": stamp.id,
        "object": "chat.completion.chunk",
        "created": stamp.created,
        "model": stamp.model,
    }
