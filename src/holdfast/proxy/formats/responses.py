"""OpenAI's Responses, as the proxy serves them: without storage and without hosted tools.

Source: OpenAI's API reference, "Create a model response" and "Streaming events".
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.errors import MalformedAnswer
from holdfast.proxy.formats.chat import error_body
from holdfast.proxy.formats.response_objects import Frame, output_items
from holdfast.proxy.formats.response_requests import read_request
from holdfast.proxy.formats.response_streams import ResponsesWriter
from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.dialects.values import as_object, as_objects


class Responses:
    """Serve `/v1/responses`."""

    id_header = "x-request-id"

    def read(self, document: Object) -> AskedResponse:
        return AskedResponse(body=read_request(document), frame=Frame(document))

    def error(self, status: int, message: str, field: str | None = None) -> Document:
        return error_body(status, message, field)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedResponse:
    """A request of a response, as a chat request."""

    body: Document
    frame: Frame

    def answer(self, completion: Object) -> Document:
        choices = as_objects(completion.get("choices"))
        if not choices:
            raise MalformedAnswer("the answer holds no message")
        items = output_items(as_object(choices[0].get("message")), self.frame.key(completion))
        return self.frame.ended(completion, items, choices[0].get("finish_reason"))

    def writer(self) -> ResponsesWriter:
        return ResponsesWriter(self.frame)
