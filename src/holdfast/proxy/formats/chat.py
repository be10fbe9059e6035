"""OpenAI's chat completions to clients: the form inside, so all that passes is left as it is.

Source: OpenAI's API reference, "Create chat completion" and "Streaming".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson

from holdfast.routing.dialects.requests import check_request
from holdfast.routing.dialects.seam import Batch, Document, Object
from holdfast.routing.dialects.values import as_object

KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def error_body(status: int, message: str, field: str | None = None) -> Document:
    """Return an error as OpenAI writes it."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": field, "code": None}}


class Chat:
    """Serve `/v1/chat/completions`."""

    id_header = "x-request-id"

    def read(self, document: Object) -> AskedChat:
        check_request(document)
        return AskedChat(body=dict(document))

    def error(self, status: int, message: str, field: str | None = None) -> Document:
        return error_body(status, message, field)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedChat:
    """A request that is in the form inside already."""

    body: Document

    def answer(self, completion: Object) -> Document:
        return dict(completion)

    def writer(self) -> ChatWriter:
        options = as_object(self.body.get("stream_options"))
        return ChatWriter(wants_usage=bool(options.get("include_usage")))


class ChatWriter:
    """Write chunks as they come.

    A chunk that holds nothing but usage is passed on only if the client asked for it: many read
    `choices[0]` of every chunk. For their sake the last chunk, which says what the request cost, has an
    empty delta for those that did not ask.
    """

    def __init__(self, *, wants_usage: bool) -> None:
        self._wants_usage = wants_usage
        self._like: Object = {}

    def feed(self, chunk: Object) -> bytes:
        self._like = self._like or chunk
        if self._wants_usage or chunk.get("choices"):
            return b"data: %b\n\n" % orjson.dumps(chunk)
        return b""

    def pass_on(self, batch: Batch) -> bytes:
        if not batch.events:
            return b""
        if not self._wants_usage and not all(
            [chunk.get("choices") for chunk in batch.chunks]  # noqa: C419 - a list is quicker
        ):
            return b""
        self._like = self._like or batch.chunks[0]
        return batch.events

    def finish(self, report: Object | None = None) -> bytes:
        like = self._like
        nothing: Document = {"index": 0, "delta": {}, "finish_reason": None}
        last: Document = {
            "id": like.get("id", ""),
            "object": "chat.completion.chunk",
            "created": like.get("created", 0),
            "model": like.get("model", ""),
            "choices": [] if self._wants_usage else [nothing],
            "holdfast": report or {},
        }
        return b"data: %b\n\ndata: [DONE]\n\n" % orjson.dumps(last)

    def fail(self, status: int, message: str) -> bytes:
        return b"data: %b\n\n" % orjson.dumps(error_body(status, message))
