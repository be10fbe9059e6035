"""How OTLP says what a span says, whatever the encoding. Pure.

Source: opentelemetry-proto 1.5, `trace/v1/trace.proto`. OTLP knows five kinds and three statuses;
ours travel as the attributes `holdfast.kind` and `holdfast.status`, and are taken out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

from holdfast.tracing.span import Attributes, Status, Value

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
KIND, STATUS = "holdfast.kind", "holdfast.status"
_NUMBERS = {name: number for number, name in enumerate(KINDS)}
_UNSET, _OK, _ERROR = 0, 1, 2
_CODES: Mapping[Status, int] = {"unset": _UNSET, "ok": _OK, "error": _ERROR}
_STATUSES: tuple[Status, ...] = ("unset", "ok", "error")
_OURS = frozenset({"cancelled", "open", "lost"})


class Told(NamedTuple):
    """What OTLP says in place of a kind and a status, and the attributes that carry ours."""

    kind: int
    code: int
    message: str
    attributes: Attributes


def to_otlp(kind: str, status: Status, error: str, attributes: Attributes) -> Told:
    """Return how OTLP says it."""
    more: dict[str, Value] = {}
    number = _NUMBERS.get(kind)
    if number is None:
        number = _NUMBERS["client"] if kind in ("model", "embedding") else _NUMBERS["internal"]
        more[KIND] = kind
    code = _CODES.get(status)
    if code is None:
        code = _ERROR if status == "lost" else _UNSET
        more[STATUS] = status
    taken = [name for name in (KIND, STATUS) if name in attributes]
    if taken:  # somebody else's attribute of our name: said last, so that it is not taken for ours
        more.setdefault(KIND, kind)
        more.setdefault(STATUS, status)
        more |= {f"{name}.": attributes[name] for name in taken}
        attributes = {name: each for name, each in attributes.items() if name not in taken}
    return Told(number, code, error, {**attributes, **more} if more else attributes)


class Read(NamedTuple):
    """A kind, a status and attributes as they were before `to_otlp`."""

    kind: str
    status: Status
    attributes: dict[str, Value]


def from_otlp(kind: int, code: int, attributes: dict[str, Value]) -> Read:
    """Return what OTLP means; what it does not know is unspecified."""
    name = KINDS[kind] if 0 <= kind < len(KINDS) else KINDS[0]
    status = _STATUSES[code] if 0 <= code < len(_STATUSES) else _STATUSES[0]
    if KIND not in attributes and STATUS not in attributes:
        return Read(name, status, attributes)
    rest = dict(attributes)
    ours = rest.pop(KIND, None)
    if isinstance(ours, str) and ours:
        name = ours
    told = rest.pop(STATUS, None)
    if told in _OURS or told in _CODES:
        status = cast("Status", told)
    for key in (KIND, STATUS):
        if f"{key}." in rest:
            rest[key] = rest.pop(f"{key}.")
    return Read(name, status, rest)
