"""Write chat chunks as the events of OpenAI's Responses."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.proxy.formats.response_objects import (
    Frame,
    call_item,
    message_item,
    reasoning_item,
    seal,
    text_part,
)
from holdfast.proxy.formats.seam import event
from holdfast.routing.dialects.seam import Batch, Document, Object
from holdfast.routing.dialects.values import as_object, as_objects, as_text


@dataclass(slots=True)
class _Item:
    """An output item that is being streamed; `part` is the kind of its one open part."""

    index: int
    document: Document
    part: str = ""
    done: list[Document] = field(default_factory=list[Document])
    texts: list[str] = field(default_factory=list[str])
    open: bool = True

    @property
    def address(self) -> Document:
        return {"item_id": self.document["id"], "output_index": self.index}


class ResponsesWriter:
    """Write one stream. Tool calls may be open side by side: their events name their item."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._head: Document = {}
        self._items: list[_Item] = []
        self._reasoning: _Item | None = None
        self._message: _Item | None = None
        self._calls: dict[object, _Item] = {}
        self._details: list[Object] = []
        self._finish: object = None
        self._number = 0
        self._begun = False

    def feed(self, chunk: Object) -> bytes:
        written = self._begin(chunk)
        if as_object(chunk.get("usage")):
            self._head["usage"] = chunk["usage"]
        for choice in as_objects(chunk.get("choices")):
            if choice.get("index") in (None, 0):
                written += self._take(as_object(choice.get("delta")))
                self._finish = choice.get("finish_reason") or self._finish
        return written

    def pass_on(self, batch: Batch) -> bytes:  # noqa: ARG002 - the format is another one
        return b""

    def finish(self, report: Object | None = None) -> bytes:
        written = self._begin({})
        if not self._calls and self._message is None:
            written += self._open_message()
        if self._details and not (self._reasoning and self._reasoning.open):
            self._reasoning, added = self._add(
                reasoning_item(self._key(len(self._items)), "", None)
            )
            written += added
        written += b"".join(self._close(item) for item in self._items)
        response = self._frame.ended(self._head, self._documents(), self._finish)
        told = {} if report is None else {"holdfast": report}
        return written + self._event(f"response.{response['status']}", response=response, **told)

    def fail(self, status: int, message: str) -> bytes:
        code = "rate_limit_exceeded" if status == 429 else "server_error"
        written = self._begin({})
        written += self._event("error", code=code, message=message, param=None)
        error = {"code": code, "message": message}
        response = self._frame.failed(self._head, self._documents(), error)
        return written + self._event("response.failed", response=response)

    def _begin(self, chunk: Object) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        self._head = {name: chunk.get(name) for name in ("id", "created", "model")}
        response = self._frame.begun(self._head)
        created = self._event("response.created", response=response)
        return created + self._event("response.in_progress", response=response)

    def _take(self, delta: Object) -> bytes:
        written = b""
        self._details += as_objects(delta.get("reasoning_details"))
        thought = as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning"))
        if thought:
            written += self._think(thought)
        for part, name in (("output_text", "content"), ("refusal", "refusal")):
            if text := as_text(delta.get(name)):
                written += self._say(part, text)
        for call in as_objects(delta.get("tool_calls")):
            written += self._call(call)
        return written

    def _think(self, text: str) -> bytes:
        written = b""
        if self._reasoning is None or not self._reasoning.open:
            key = self._key(len(self._items) if self._reasoning else None)
            self._reasoning, written = self._add(reasoning_item(key, "", None))
        return written + self._grow(self._reasoning, "reasoning_text", text)

    def _say(self, part: str, text: str) -> bytes:
        written = b""
        if self._message is None or not self._message.open:
            written = self._open_message()
        assert self._message is not None
        return written + self._grow(self._message, part, text)

    def _open_message(self) -> bytes:
        written = self._close(self._reasoning) if self._reasoning else b""
        key = self._key(len(self._items) if self._message else None)
        self._message, added = self._add(message_item(key, [], "in_progress"))
        return written + added

    def _call(self, call: Object) -> bytes:
        index, function, written = call.get("index", 0), as_object(call.get("function")), b""
        item = self._calls.get(index)
        if item is None:
            for before in (self._reasoning, self._message):
                written += self._close(before) if before else b""
            name, place = as_text(function.get("name")), len(self._calls)
            item, added = self._add(
                call_item(self._key(None), place, as_text(call.get("id")), name)
            )
            self._calls[index] = item
            written += added
        if piece := as_text(function.get("arguments")):
            item.texts.append(piece)
            written += self._event(
                "response.function_call_arguments.delta", delta=piece, **item.address
            )
        return written

    def _add(self, document: Document) -> tuple[_Item, bytes]:
        item = _Item(len(self._items), document)
        self._items.append(item)
        return item, self._event(
            "response.output_item.added", output_index=item.index, item=document
        )

    def _grow(self, item: _Item, part: str, text: str) -> bytes:
        written = b""
        if item.part != part:
            written = self._close_part(item)
            item.part = part
            written += self._event(
                "response.content_part.added",
                content_index=len(item.done),
                part=_part(part, ""),
                **item.address,
            )
        item.texts.append(text)
        return written + self._event(f"response.{part}.delta", **self._said(item, delta=text))

    def _said(self, item: _Item, **fields: object) -> Document:
        logged: Document = {"logprobs": []} if item.part == "output_text" else {}
        return item.address | {"content_index": len(item.done)} | fields | logged

    def _close_part(self, item: _Item) -> bytes:
        if not item.part:
            return b""
        text, name = "".join(item.texts), "refusal" if item.part == "refusal" else "text"
        written = self._event(f"response.{item.part}.done", **self._said(item, **{name: text}))
        part = _part(item.part, text)
        place: Document = {"content_index": len(item.done), "part": part}
        written += self._event("response.content_part.done", **(item.address | place))
        item.done.append(part)
        item.part, item.texts = "", []
        return written

    def _close(self, item: _Item) -> bytes:
        if not item.open:
            return b""
        item.open = False
        if item.document["type"] == "function_call":
            arguments = "".join(item.texts)
            item.document |= {"arguments": arguments, "status": "completed"}
            named = {"arguments": arguments, "name": item.document["name"]}
            written = self._event("response.function_call_arguments.done", **(item.address | named))
        else:
            written = self._close_part(item)
            item.document["content"] = item.done
            if item.document["type"] == "message":
                item.document["status"] = "completed"
            elif sealed := seal(self._details):
                item.document["encrypted_content"], self._details = sealed, []
        return written + self._event(
            "response.output_item.done", output_index=item.index, item=item.document
        )

    def _documents(self) -> list[Document]:
        return [item.document for item in self._items if not item.open]

    def _key(self, place: int | None) -> str:
        key = self._frame.key(self._head)
        return key if place is None else f"{key}_{place}"

    def _event(self, kind: str, **fields: object) -> bytes:
        number, self._number = self._number, self._number + 1
        return event(kind, {"type": kind, "sequence_number": number} | fields)


def _part(kind: str, text: str) -> Document:
    match kind:
        case "output_text":
            return text_part(text)
        case "refusal":
            return {"type": "refusal", "refusal": text}
        case _:
            return {"type": kind, "text": text}
