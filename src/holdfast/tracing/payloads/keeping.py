"""Prepare the attributes of a span: secrets out, long values elsewhere, nothing cut."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Literal, cast

from holdfast.frozen import replace
from holdfast.storage.files.zstandard import compress
from holdfast.tracing.payload import PREVIEW, Chain, Form, KeepPart, Reference
from holdfast.tracing.payloads.writing import messages_of, read_messages
from holdfast.tracing.redaction.redactor import Redactor
from holdfast.tracing.span import Attributes, Span, Value
from holdfast.tracing.values import dump_value

Mode = Literal["full", "previews", "off"]

LONGEST = 1024
"""What has more characters is kept beside its span."""

_PLAIN = frozenset({int, float, bool, type(None)})
_MOST_KNOWN = 100_000
_MOST_NAMES = 1000
_CONTENT = re.compile(
    r"(?i)(^|[._])(prompts?|completions?|inputs?|outputs?|messages?|input_messages|output_messages|"
    r"arguments|result|content|response|system_instructions|documents?)([._]|$)"
)


class Payloads:
    """Keeps long values part by part. `key` makes the hashes, `keep` takes each new part once.

    `mode` says how much of long values and of prompts and answers is kept: all of it, their
    beginnings, or nothing but how long they were.
    """

    def __init__(self, *, mode: Mode, redactor: Redactor, key: bytes, keep: KeepPart) -> None:
        self._mode = mode
        self._redactor = redactor
        self._key = key
        self._keep = keep
        self._known: dict[bytes, None] = {}
        self._turns: dict[bytes, str] = {}
        self._messages: dict[tuple[object, ...], tuple[object, bytes, int]] = {}
        self._is_content: dict[str, bool] = {}
        self._last: dict[str, Value] = {}
        """By its name, the text that last stayed as it was: most spans say the same again."""

    def prepare(self, attributes: Attributes) -> Attributes:
        """Return the attributes to journal: the same mapping if nothing has to change."""
        changed: dict[str, Value] | None = None
        last = self._last
        for name, value in attributes.items():
            kind = type(value)
            if kind in _PLAIN or (kind is str and last.get(name) == value):
                continue
            new = self._text(name, value) if kind is str else self._deep(name, value)  # pyright: ignore[reportArgumentType]
            if new is not value:
                if changed is None:
                    changed = dict(attributes)
                changed[name] = new
            elif kind is str:
                if len(last) >= _MOST_NAMES:
                    last.clear()
                last[name] = value
        return attributes if changed is None else changed

    def prepare_span(self, span: Span) -> Span:
        """Return a span that somebody else made as it may be kept: attributes, events and error."""
        attributes = self.prepare(span.attributes)
        error = self._redactor.text(span.error) if span.error else ""
        if attributes is span.attributes and error == span.error and not span.events:
            return span
        events = [
            replace(each, attributes=self.prepare(each.attributes)) if each.attributes else each
            for each in span.events
        ]
        return replace(span, attributes=attributes, events=events, error=error)

    def forget(self, hashes: Iterable[bytes]) -> None:
        """Give parts again that could not be kept."""
        for hash_ in hashes:
            self._known.pop(hash_, None)

    def _text(self, name: str, text: str) -> Value:
        if self._redactor.is_secret_name(name):
            return self._redactor.mark("a named secret", text) if text else text
        if self._mode == "off" and self._says_content(name):
            return self._empty("text", len(text.encode("utf-8", "surrogatepass")))
        if len(text) <= LONGEST:
            return self._redactor.text(text)
        found = read_messages(text)
        if found is not None:
            messages, style = found
            return self._conversation(messages, style)
        kept = self._redactor.text(text)
        if len(kept) <= LONGEST:
            return kept
        return self._whole("text", kept.encode("utf-8", "surrogatepass"), kept[:PREVIEW])

    def _deep(self, name: str, value: Value) -> Value:
        if Reference.of(value) is not None:
            return value
        messages = messages_of(value)
        if messages is not None and not self._redactor.is_secret_name(name):
            if self._mode == "off":
                return self._empty("messages", len(dump_value(value)))
            return self._conversation(messages, "")
        kept = self._redactor.value(value, name)
        data = dump_value(kept)
        if self._mode == "off" and self._says_content(name):
            return self._empty("json", len(data))
        if len(data) <= LONGEST:
            return kept
        if isinstance(kept, bytes | bytearray):
            return self._whole("bytes", bytes(kept), "")
        return self._whole("json", data, data[1 : PREVIEW + 1].decode("utf-8", "replace"))

    def _says_content(self, name: str) -> bool:
        verdict = self._is_content.get(name)
        if verdict is None:
            if len(self._is_content) > _MOST_KNOWN:
                self._is_content.clear()
            verdict = self._is_content[name] = _CONTENT.search(name) is not None
        return verdict

    def _whole(self, form: Form, data: bytes, preview: str) -> Value:
        if self._mode != "full":
            shown = preview if self._mode == "previews" else ""
            return self._empty(form, len(data), shown)
        hash_ = self._put(data)
        return Reference(
            form=form, parts=(hash_.hex(),), size=len(data), preview=preview
        ).as_value()

    def _empty(self, form: Form, size: int, preview: str = "") -> Value:
        return Reference(form=form, parts=(), size=size, preview=preview).as_value()

    def _conversation(self, messages: Sequence[object], style: str) -> Value:
        """Keep messages, those of an earlier turn by one link to it."""
        hashes: list[bytes] = []
        size = 0
        for message in messages:
            hash_, length = self._message(message)
            hashes.append(hash_)
            size += length + 1
        preview = self._preview(messages[-1])
        if self._mode != "full":
            return self._empty("messages", size, preview)
        running, known, before = b"", 0, ""
        for place, hash_ in enumerate(hashes, 1):
            running = blake2b(running + hash_, digest_size=16).digest()
            turn = self._turns.get(running)
            if turn is not None:
                known, before = place, turn
        fresh = tuple(hash_.hex() for hash_ in hashes[known:])
        if fresh:
            turn = self._put(Chain(before=before, parts=fresh).dump()).hex()
            _bound(self._turns)
            self._turns[running] = turn
        return Reference(
            form="messages", parts=fresh, size=size, preview=preview, chain=before, style=style
        ).as_value()

    def _message(self, message: object) -> tuple[bytes, int]:
        """Return the hash of a message and its length; known by the identity of its texts.

        Texts cannot change, so that the same texts are the same message. The memory holds them, so
        that no other object can have their identity.
        """
        texts = tuple(cast("Mapping[str, object]", message).values())
        memo: tuple[object, ...] | None = None
        if type(message) is dict and all(type(each) is str for each in texts):
            memo = (*cast("Mapping[str, object]", message), *map(id, texts))
            found = self._messages.get(memo)
            if found is not None:
                return found[1], found[2]
        data = dump_value(self._redactor.value(cast("Value", message)))
        hash_ = self._put(data) if self._mode == "full" else b""
        if memo is not None:
            _bound(self._messages)
            self._messages[memo] = (texts, hash_, len(data))
        return hash_, len(data)

    def _preview(self, message: object) -> str:
        if self._mode == "off":
            return ""
        content = cast("Mapping[str, object]", message).get("content", message)
        if isinstance(content, str):
            return self._redactor.text(content)[:PREVIEW]
        text = dump_value(self._redactor.value(cast("Value", content)))
        return text[1 : PREVIEW + 1].decode("utf-8", "replace")

    def _put(self, data: bytes) -> bytes:
        hash_ = blake2b(data, digest_size=16, key=self._key).digest()
        if hash_ not in self._known:
            self._keep(hash_, compress(data))
            _bound(self._known)
            self._known[hash_] = None
        return hash_


def _bound(
    known: dict[bytes, None]
    | dict[bytes, str]
    | dict[tuple[object, ...], tuple[object, bytes, int]],
) -> None:
    """Forget the oldest half of what is known when it is much: it is kept once more then."""
    if len(known) >= _MOST_KNOWN:
        for key in list(known)[: _MOST_KNOWN // 2]:
            del known[key]  # pyright: ignore[reportArgumentType] - a key of this very mapping
