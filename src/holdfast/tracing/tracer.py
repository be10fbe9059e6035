"""Time pieces of work and say which lay inside which.

::

    tracer = Tracer(clock=clock, sink=ring)
    with tracer.span("answer", kind="run", trace_id=run_id):
        with tracer.span("search", query=text) as span:
            span.set(hits=len(find(text)))

`holdfast.tracing.current` says how it is known what lies inside what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Protocol

from holdfast.clock import Clock
from holdfast.ids import new_run_id, new_span_id, take_span_id
from holdfast.tracing.active import ActiveSpan, NullSpan, Prepare
from holdfast.tracing.anchor import Anchor
from holdfast.tracing.current import (
    CURRENT,
    NOWHERE,
    Elsewhere,
    Link,
    Place,
    Within,
    frame_of,
    place_of,
    resolve,
    root,
)
from holdfast.tracing.span import HOLDFAST, Source, SpanLink, Value

__all__ = ["INNERMOST", "ActiveSpan", "Link", "NullSpan", "Place", "Prepare", "SpanSink", "Tracer"]

INNERMOST = Link("", None)
"""Stands for the span that is current."""

_get = CURRENT.get


class SpanSink(Protocol):
    """Where spans go. Neither verb may block or raise; nothing of the span may be kept but copies."""

    def opened(self, span: ActiveSpan) -> None:
        """A span has begun."""
        ...

    def finished(self, span: ActiveSpan) -> None:
        """A span has ended, and is complete."""
        ...


class Nowhere:
    """A sink that keeps nothing."""

    def opened(self, span: ActiveSpan) -> None:
        pass

    def finished(self, span: ActiveSpan) -> None:
        pass


class Tracer:
    """Open spans and hand them to a sink.

    `elsewhere` is asked for a better parent than the current place.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        sink: SpanSink,
        prepare: Prepare | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.now_ns = clock.monotonic_ns
        self.opened = sink.opened
        self.finished = sink.finished
        self.prepare = prepare
        self.elsewhere = elsewhere
        self._clock = clock
        self._anchor = Anchor(clock)

    def span(
        self,
        name: str,
        /,  # so that an attribute may be called `name`, and names are compared with fewer others
        *,
        kind: str = "internal",
        trace_id: str | None = None,
        **attributes: Value,
    ) -> ActiveSpan:
        """Time a `with` block as a span below the current one, or as the top of `trace_id`.

        An exception marks the span as failed (a cancellation as cancelled) and goes on. Outside
        any trace, and without `trace_id`, the block is run and nothing is recorded.
        """
        kind_of_span: type[ActiveSpan] = ActiveSpan
        parent_id = None
        if trace_id is not None:
            anchor_ns = self._anchor()
        else:
            place = _get()
            if place is None or place.odd or self.elsewhere is not None:
                place = self._look(place, frame_of(1))
            if place is None:
                kind_of_span, trace_id, anchor_ns = NullSpan, "", 0
            else:
                trace_id, parent_id = place.trace_id, place.span_id
                anchor_ns = place.anchor_ns or self._anchor()
        # Here and not in a constructor, which would make it a tenth dearer.
        span = kind_of_span()
        try:
            span.span_id = take_span_id()
        except IndexError:
            span.span_id = new_span_id()
        span.tracer = self
        span.trace_id = trace_id
        span.parent_id = parent_id
        span.name = name
        span.kind = kind
        span.attributes = attributes
        span.anchor_ns = anchor_ns
        span.start_ns = 0
        span.status = "ok"
        span.error = ""
        span.extras = span.head = span.region = None
        span.ended = span.odd = False
        span.outer = NOWHERE
        return span

    def start(  # noqa: PLR0913 - all of it is known when a span begins, and told at once
        self,
        name: str,
        *,
        kind: str = "internal",
        parent: Link | Place | None = INNERMOST,
        trace_id: str | None = None,
        span_id: str | None = None,
        start_ns: int | None = None,
        attributes: Mapping[str, Value] | None = None,
        links: Iterable[SpanLink] = (),
        source: Source = HOLDFAST,
    ) -> ActiveSpan:
        """Begin a span that is not current until `with span:` or `with span.use():`.

        It hangs below `parent`; without one it is the top of `trace_id`, or of a trace of its own.
        `start_ns` counts from the Unix epoch. With `span_id` it takes the place of the span that had
        this id.
        """
        place = self._look(_get(), frame_of(1)) if parent is INNERMOST else parent
        if place is None or trace_id is not None:
            place = Link(trace_id or new_run_id(), None)
        span = self.span(name, kind=kind, trace_id=place.trace_id)
        span.parent_id = place.span_id
        if span_id is not None:
            span.span_id = span_id
        if isinstance(place, Place) and place.anchor_ns:
            span.anchor_ns = place.anchor_ns
        if attributes:
            span.attributes.update(attributes)
        given = list(links)
        if given or source is not HOLDFAST:
            span.rest.links, span.rest.source = given, source
        span.begin(start_ns)
        return span

    def detached(self, name: str, /, *, kind: str = "internal", **attributes: Value) -> ActiveSpan:
        """Begin the trace of work that outlives what started it: linked to that, not inside it."""
        place = self._look(_get(), frame_of(1))
        span = self.start(name, kind=kind, parent=None, attributes=attributes)
        if place is not None:
            span.link(Link(place.trace_id, place.span_id))
        return span

    def under(self, link: Link) -> Within:
        """Return a block whose spans hang below a span of somebody else."""
        return Within(place_of(*link))

    def current(self) -> ActiveSpan | None:
        """Return the span of this process that is current."""
        place = self._look(_get(), frame_of(1))
        span = place.span if place else None
        return span if isinstance(span, ActiveSpan) else None

    def current_link(self) -> Link | None:
        """Return what a new span would hang below."""
        place = self._look(_get(), frame_of(1))
        return Link(place.trace_id, place.span_id) if place else None

    def place(self) -> Place | None:
        """Return the innermost place of ours."""
        place = _get()
        if place is not None and place.odd:
            place = resolve(place, frame_of(1))
        return place

    def silent(self) -> Tracer:
        """Return a tracer with the same time that records nothing."""
        return Tracer(clock=self._clock, sink=Nowhere())

    def _look(self, place: Place | None, frame: FrameType | None) -> Place | None:
        if place is not None and place.odd:
            place = resolve(place, frame)
        if place is None:
            place = root()
        if self.elsewhere is not None:
            found = self.elsewhere(place)
            place = place_of(*found) if isinstance(found, Link) else found
        return place
