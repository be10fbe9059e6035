"""Take the place in a trace, and what goes along with it, out of headers and put it into others.

W3C Trace Context (`traceparent`, `tracestate`) and W3C Baggage (`baggage`), without any package of
OpenTelemetry. The context of a request of MCP goes in its `_meta` under the same names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

from holdfast.frozen import frozen
from holdfast.tracing.current import Link
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


def extract(headers: Mapping[str, Any]) -> Carried:
    """Return what headers say, whatever the case of their names; what is not valid is left out.

    A `tracestate` without a valid `traceparent` means nothing. Use it with
    `tracer.under(carried.link)`.
    """
    found = {
        name.lower(): value
        for name, value in headers.items()
        if isinstance(name, str) and isinstance(value, str)  # pyright: ignore[reportUnnecessaryIsInstance] - `_meta` is anybody's
    }
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
    members = [each.strip(" \t") for each in line.split(",")]
    members = [each for each in members if each]
    parsed = [_STATE.fullmatch(each) for each in members]
    keys = {each["key"] for each in parsed if each}
    if len(members) > MOST_STATES or len(keys) < len(members):
        return ""
    return ",".join(_shortened(members))


def read_baggage(line: str) -> str:
    """Return a `baggage` to pass on: the members that are valid and have room, in their order."""
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
