"""A finished span: what happened, when, for how long, below what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["ok", "error", "cancelled"]
Attribute = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One timed piece of work. `trace_id` is the id of the run it belongs to.

    `start_us` is the wall clock in microseconds of the epoch: one anchor a process plus a
    monotonic offset, so that spans of a process never disagree about their order.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start_us: int
    duration_us: int
    status: Status = "ok"
    error: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
