"""Write spans as bytes and read them back, whatever values they hold.

Plain values are JSON as orjson writes it. It refuses some, and writes NaN as null; then the slow
way is gone, which never raises: mappings with the key `$` stand for what JSON does not have.
Objects that are no values at all are kept as the text that they show.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AnySet
from typing import TYPE_CHECKING, Any, cast

import orjson

from holdfast.tracing.entries import Entry, Loss, Opened, Part
from holdfast.tracing.ring.layout import OPENED, PART, SPAN, TAGGED, pack_record
from holdfast.tracing.safely import text_of, told
from holdfast.tracing.span import HOLDFAST, Event, Source, Span, SpanLink, Value

if TYPE_CHECKING:
    from holdfast.tracing.active import ActiveSpan, Extras

_LINE = orjson.OPT_APPEND_NEWLINE
_TAG = "$"
_DEEPEST = 100
_NUMBERS = 1 << 63
_HASH = 16


def head_of(span: ActiveSpan) -> bytes:
    """Return what is known of a span when it begins; never raises."""
    ids = (span.trace_id, span.span_id, span.parent_id)
    try:
        return orjson.dumps((*ids, span.name, span.kind, span.start_ns), option=_LINE)
    except Exception:  # noqa: BLE001 - a name may be no text at all
        texts = [None if each is None else _plain_text(each) for each in ids]
        texts += [_plain_text(span.name), _plain_text(span.kind)]
        return orjson.dumps((*texts, span.start_ns), option=_LINE)


def end_of(span: ActiveSpan) -> bytes:
    """Return the record of a span that has ended; never raises."""
    head = span.head or head_of(span)
    extras = _extras_of(span.extras) if span.extras else 0
    members = (span.duration_ns, span.status, span.error, span.attributes, extras)
    try:
        line = orjson.dumps(members, option=_LINE)
    except Exception:  # noqa: BLE001 - see the module
        line = b""
    if line and (b"null" not in line or not _has_nan(members, 0)):
        return line + head
    return pack_record(TAGGED, orjson.dumps(_Tagging().tag(members, 0), option=_LINE) + head)


def loss_of(count: int, why: str) -> bytes:
    """Return the payload of a record that tells of a loss."""
    return orjson.dumps((count, _plain_text(why)))


def decode(kind: int, payload: bytes) -> Entry:
    """Return the entry that a record holds; raises ValueError if it holds none."""
    try:
        if kind == PART:
            return Part(hash=payload[:_HASH], data=payload[_HASH:])
        if kind in {SPAN, TAGGED}:
            tail, _, head = payload.partition(b"\n")
            members = orjson.loads(tail)
            return _span(orjson.loads(head), _untag(members) if kind == TAGGED else members)
        members = orjson.loads(payload)
        if kind == OPENED:
            names = ("trace_id", "span_id", "parent_id", "name", "kind", "start_ns")
            return Opened(**dict(zip(names, members, strict=True)))
        return Loss(count=members[0], why=members[1])
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"a record of kind {kind} that is none: {error}") from error


def _span(head: Sequence[Any], tail: Sequence[Any]) -> Span:
    trace_id, span_id, parent_id, name, kind, start_ns = head
    duration_ns, status, error, attributes, extras = tail
    return Span(
        trace_id=trace_id, span_id=span_id, parent_id=parent_id, name=name, kind=kind,
        start_ns=start_ns, duration_ns=duration_ns, status=status, error=error,
        attributes=attributes, **(_read_extras(extras) if extras else {}),
    )  # fmt: skip


def _extras_of(extras: Extras) -> Sequence[object]:
    source = extras.source
    return (
        [(e.at_ns, e.name, e.attributes, e.dropped_attributes) for e in extras.events],
        [
            (k.trace_id, k.span_id, k.state, k.attributes, k.dropped_attributes, k.flags)
            for k in extras.links
        ],
        0 if source is HOLDFAST else _members_of(source),
        extras.state,
        extras.flags,
        extras.dropped_attributes,
        extras.dropped_events,
        extras.dropped_links,
    )


def _members_of(source: Source) -> Sequence[object]:
    return (
        source.resource, source.scope, source.scope_version, source.scope_attributes,
        source.resource_schema, source.scope_schema, source.dropped_resource, source.dropped_scope,
    )  # fmt: skip


def _read_extras(members: Sequence[Any]) -> dict[str, Any]:
    events, links, source, state, flags, *dropped = members
    event = ("at_ns", "name", "attributes", "dropped_attributes")
    link = ("trace_id", "span_id", "state", "attributes", "dropped_attributes", "flags")
    read: dict[str, Any] = {
        "events": tuple(Event(**dict(zip(event, each, strict=True))) for each in events),
        "links": tuple(SpanLink(**dict(zip(link, each, strict=True))) for each in links),
        "state": state,
        "flags": flags,
    }
    if source:
        read["source"] = _read_source(source)
    read |= zip(("dropped_attributes", "dropped_events", "dropped_links"), dropped, strict=True)
    return read


def _read_source(members: Sequence[Any]) -> Source:
    names = (
        "resource", "scope", "scope_version", "scope_attributes", "resource_schema", "scope_schema",
        "dropped_resource", "dropped_scope",
    )  # fmt: skip
    return Source(**dict(zip(names, members, strict=True)))


def _plain_text(value: object) -> str:
    return text_of(value).encode("utf-8", "backslashreplace").decode()


def _has_nan(value: object, depth: int) -> bool:
    """Tell whether a value that orjson took holds a number that JSON does not have."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if depth > _DEEPEST:
        return True  # let the slow way see
    if isinstance(value, dict):
        return any(
            _has_nan(each, depth + 1) for each in cast("dict[object, object]", value).values()
        )
    if isinstance(value, (list, tuple)):
        return any(_has_nan(each, depth + 1) for each in cast("list[object]", value))
    return False


class _Tagging:
    """Turns anything into what JSON has."""

    def __init__(self) -> None:
        self._around: set[int] = set()

    def tag(self, value: object, depth: int) -> object:
        """Return what stands for a value; never raises."""
        if value is None or value is True or value is False:
            return value
        try:
            return self._tag(value, depth)
        except Exception:  # noqa: BLE001 - see the module
            return _text(told(value))

    def _tag(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return _text(str.__str__(value))
        if isinstance(value, int):
            return _integer(int.__int__(value))
        if isinstance(value, float):
            return _float(float.__float__(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _mark("bytes", b64encode(bytes(cast("bytes", value))).decode())
        if depth > _DEEPEST or id(value) in self._around:
            return _text(told(value))
        return self._tag_container(value, depth + 1)

    def _tag_container(self, value: object, depth: int) -> object:
        members = _members(value)
        if members is None:
            return _tag_object(value)
        self._around.add(id(value))
        try:
            if isinstance(members, dict):
                return self._tag_mapping(members, depth)
            return [self.tag(each, depth) for each in members]
        finally:
            self._around.discard(id(value))

    def _tag_mapping(self, members: dict[object, object], depth: int) -> object:
        tagged: dict[str, object] = {}
        for key, value in members.items():
            name = str.__str__(key) if isinstance(key, str) else text_of(key)
            while name in tagged:
                name += "'"
            tagged[name] = self.tag(value, depth)
        if _TAG not in tagged and all(_is_plain(name) for name in tagged):
            return tagged
        return _mark("map", [[_text(name), value] for name, value in tagged.items()])


def _tag_object(value: object) -> object:
    """Return what orjson makes of a record, a date and the like; else how the object shows itself."""
    try:
        return orjson.loads(orjson.dumps(value))
    except Exception:  # noqa: BLE001 - an object may do anything when it is looked at
        return _text(told(value))


def _members(value: object) -> dict[object, object] | list[object] | None:
    """Return the members of a container as a plain one; None if it is none."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value).items())
    if isinstance(value, (list, tuple, Sequence, AnySet)):
        return list(cast("Sequence[object]", value))
    return None


def _mark(kind: str, value: object) -> Mapping[str, object]:
    return {_TAG: kind, "v": value}


def _text(text: str) -> object:
    if _is_plain(text):
        return text
    return _mark("text", b64encode(text.encode("utf-8", "surrogatepass")).decode())


def _integer(number: int) -> object:
    return number if -_NUMBERS <= number < _NUMBERS else _mark("int", hex(number))


def _float(number: float) -> object:
    return number if math.isfinite(number) else _mark("float", str(number))


def _is_plain(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _untag(value: Any) -> Any:
    if isinstance(value, list):
        return [_untag(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    if _TAG in members:
        return _UNTAG[members[_TAG]](members["v"])
    return {name: _untag(each) for name, each in members.items()}


_UNTAG: Mapping[str, Callable[[Any], Value]] = {
    "bytes": b64decode,
    "text": lambda text: b64decode(text).decode("utf-8", "surrogatepass"),
    "int": lambda text: int(text, 16),
    "float": float,
    "map": lambda pairs: {_untag(name): _untag(each) for name, each in pairs},
}
