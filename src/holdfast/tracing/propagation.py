"""Take the place in a trace, and what goes along with it, out of headers and put it into others.

W3C Trace Context (`traceparent`, `tracestate`) and W3C Baggage (`baggage`), without any package of
OpenTelemetry. The context of a request of MCP goes in its `_meta` under the same names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final

from holdfast.frozen import frozen
from holdfast.tracing.current import Link, Place, frame_of, here, root
from holdfast.tracing.traceparent import read_traceparent, write_traceparent

MOST_STATES: Final = 32
"""List members of `tracestate` (Trace Context, section 3.3.1.1)."""
STATE_CHARACTERS: Final = 512
"""What is passed on of `tracestate` at least, and here at most (section 3.3.1.5)."""
BAGGAGE_BYTES: Final = 8192
"""What is passed on of `baggage` at most (Baggage, section 3.3.2)."""
_LONG_STATE: Final = 128
_FIELDS: Final = ("traceparent", "tracestate", "baggage")

_STATE = re.compile(
    r"(?P<key>[a-z0-9][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - a token of RFC 7230
_VALUE = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_MEMBER = re.compile(
    rf"{_TOKEN}[ \t]*=[ \t]*{_VALUE}(?:[ \t]*;[ \t]*{_TOKEN}(?:[ \t]*=[ \t]*{_VALUE})?)*"
)


@frozen
class Carried:
    """What one process tells another: a span, and the two lines that are passed on as they came."""

    link: Link | None = None
    state: str = ""
    baggage: str = ""


NOTHING: Final = Carried()
_told: ContextVar[Carried | None] = ContextVar("holdfast_carried", default=None)
_given = NOTHING


def told() -> Carried:
    """Return what this process or this request was told by who asked for it."""
    return _told.get() or _given


def tell(carried: Carried) -> None:
    """Pass on, from everywhere in this process, what it was told when it was started."""
    global _given  # noqa: PLW0603 - a process has one parent
    _given = carried


class PassingOn:
    """Pass on from a block what came with a request; it does not make its span the current one."""

    __slots__ = ("_before", "_carried")

    def __init__(self, carried: Carried) -> None:
        self._carried = carried
        self._before: Carried | None = None

    def __enter__(self) -> None:
        self._before = _told.get()
        _told.set(self._carried)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _told.set(self._before)  # no token: a stream may be closed by another task


def current() -> Carried:
    """Return what to tell who is asked from here: the current span, the state of its trace, baggage.

    A `tracestate` goes no further than its trace. Baggage is that of OpenTelemetry's API if there is
    any, else what was told to us.
    """
    return at(here(frame_of(1)) or root())


def at(place: Place | None) -> Carried:
    """Return the same for another place."""
    known = told()
    baggage = _api_baggage() or known.baggage
    if place is None:
        return Carried(baggage=baggage)
    state = getattr(getattr(place.span, "extras", None), "state", "")
    if not state and known.link is not None and known.link.trace_id == place.trace_id:
        state = known.state
    return Carried(link=Link(place.trace_id, place.span_id), state=state, baggage=baggage)


def _api_baggage() -> str:
    """Return what `opentelemetry.baggage` holds here, if anybody has loaded it."""
    if "opentelemetry.baggage" not in sys.modules:
        return ""
    from holdfast.tracing.otel.baggage import baggage_line  # noqa: PLC0415 - an extra

    return baggage_line()


def extract(headers: Mapping[str, Any]) -> Carried:
    """Return what headers say, whatever the case of their names; what is not valid is left out.

    A `tracestate` without a valid `traceparent` means nothing. Use it with
    `tracer.under(carried.link)`.
    """
    return extract_lower(
        {
            name.lower(): value
            for name, value in headers.items()
            if isinstance(name, str) and isinstance(value, str)  # pyright: ignore[reportUnnecessaryIsInstance] - `_meta` is anybody's
        }
    )


def extract_lower(found: Mapping[str, str]) -> Carried:
    """Do what `extract` does with names in lower case; most requests carry nothing, which is cheap."""
    if "traceparent" not in found and "baggage" not in found:
        return NOTHING
    link = read_traceparent(found.get("traceparent", ""))
    return Carried(
        link=link,
        state=read_tracestate(found.get("tracestate", "")) if link else "",
        baggage=read_baggage(found.get("baggage", "")),
    )


def inject(headers: MutableMapping[str, Any], carried: Carried) -> None:
    """Put into headers what is carried; what is invalid or too long is left out, the rest replaced."""
    for name in [each for each in headers if each.lower() in _FIELDS]:
        del headers[name]
    headers.update(_lines(carried))


def headers_of(carried: Carried) -> dict[str, str]:
    """Return the headers that tell somebody what is carried."""
    return _lines(carried)


def from_meta(meta: Mapping[str, Any] | None) -> Carried:
    """Return what the `_meta` of a message of MCP says."""
    return extract(meta or {})


def into_meta(meta: Mapping[str, Any] | None, carried: Carried) -> dict[str, Any]:
    """Return the `_meta` of a message of MCP with what is carried; the given one stays as it is."""
    made = dict(meta or {})
    inject(made, carried)
    return made


def read_tracestate(line: str) -> str:
    """Return a `tracestate` to pass on: its valid form, or nothing if it breaks the specification.

    More than 32 members, a member that is none, or a key twice make all of it invalid. Of one that
    is too long, members longer than 128 characters go first, then those at the end.
    """
    if not line:
        return ""
    members = [each.strip(" \t") for each in line.split(",")]
    members = [each for each in members if each]
    parsed = [_STATE.fullmatch(each) for each in members]
    keys = {each["key"] for each in parsed if each}
    if len(members) > MOST_STATES or len(keys) < len(members):
        return ""
    return ",".join(_shortened(members))


def read_baggage(line: str) -> str:
    """Return a `baggage` to pass on: the members that are valid and have room, in their order."""
    if not line:
        return ""
    members = (each.strip(" \t") for each in line.split(","))
    kept: list[str] = []
    for each in _valid(members):
        if len(",".join([*kept, each])) > BAGGAGE_BYTES:
            break
        kept.append(each)
    return ",".join(kept)


def _lines(carried: Carried) -> dict[str, str]:
    parent = write_traceparent(carried.link) if carried.link else ""
    lines = {
        "traceparent": parent,
        "tracestate": read_tracestate(carried.state) if parent else "",
        "baggage": read_baggage(carried.baggage),
    }
    return {name: line for name, line in lines.items() if line}


def _valid(members: Iterable[str]) -> Iterable[str]:
    return (each for each in members if _MEMBER.fullmatch(each))


def _shortened(members: list[str]) -> list[str]:
    while len(",".join(members)) > STATE_CHARACTERS:
        long = [at for at, each in enumerate(members) if len(each) > _LONG_STATE]
        del members[long[-1] if long else -1]
    return members
