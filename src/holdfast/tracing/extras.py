"""What few spans have: events, links, another source than Holdfast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.tracing.span import HOLDFAST, Event, Source, SpanLink

if TYPE_CHECKING:
    import orjson


class Extras:
    """What few spans have. The `dropped_` counts are those of OpenTelemetry.

    One that has a source and nothing else is shared by many spans, with its `members` encoded.
    """

    __slots__ = (
        "dropped_attributes", "dropped_events", "dropped_links", "events", "flags", "links",
        "members", "source", "state",
    )  # fmt: skip

    def __init__(self, source: Source = HOLDFAST) -> None:
        self.members: orjson.Fragment | None = None
        self.events: list[Event] = []
        self.links: list[SpanLink] = []
        self.source: Source = source
        self.state = ""
        self.flags = 0
        self.dropped_attributes = self.dropped_events = self.dropped_links = 0
