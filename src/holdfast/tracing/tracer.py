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
from typing import TYPE_CHECKING

import orjson

from holdfast.clock import Clock
from holdfast.ids import new_run_id, new_span_id, take_span_id
from holdfast.tracing.active import ActiveSpan, NullSpan, Prepare, SpanSink, write
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
from holdfast.tracing.extras import Extras
from holdfast.tracing.span import HOLDFAST, Source, SpanLink, Value

__all__ = ["INNERMOST", "ActiveSpan", "Link", "NullSpan", "Place", "Prepare", "SpanSink", "Tracer"]

INNERMOST = Link("", None)
"""Stands for the span that is current."""

_get = CURRENT.get
_dumps, _LINE = orjson.dumps, orjson.OPT_APPEND_NEWLINE


class Tracer:
    """Open spans and hand their records to a sink; without one nothing is recorded.

    `elsewhere` is asked for a better parent than the current place.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        sink: SpanSink | None = None,
        prepare: Prepare | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.now_ns = clock.monotonic_ns
        self.sink = sink
        self.prepare = prepare
        self.elsewhere = elsewhere
        self._clock = clock
        self._anchor = Anchor(clock)

    # Most calls of a program that is traced are this one and the block that it returns. What follows
    # is in one function, in local variables, and calls what it finds in attributes only when it has
    # it in a variable: decision 26 has the figures.

    if TYPE_CHECKING:

        def span(
            self,
            name: str,
            /,
            *,
            kind: str = "internal",
            trace_id: str | None = None,
            **attributes: Value,
        ) -> ActiveSpan:
            """Begin a span below the current one, or as the top of `trace_id`, for a `with` block.

            The block makes it current and ends it. An exception marks it as failed (a cancellation as
            cancelled) and goes on. Outside any trace, and without `trace_id`, the block is run and
            nothing is recorded.
            """
            ...

    else:

        def span(self, name, /, **attributes):
            # Python compares every name of a keyword with those of all parameters.
            kind = attributes.pop("kind") if "kind" in attributes else "internal"
            trace_id = attributes.pop("trace_id") if "trace_id" in attributes else None
            parent_id = None
            if trace_id is not None:
                anchor_ns = self._anchor()
            else:
                place = _get()
                if place is None or place.odd or self.elsewhere is not None:
                    place = self._look(place, frame_of(1))
                if place is None:
                    return self._outside(name, kind, attributes)
                trace_id, parent_id = place.trace_id, place.span_id
                anchor_ns = place.anchor_ns or self._anchor()
            # Here and not in a constructor, which would make it a tenth dearer.
            span = ActiveSpan()
            try:
                span_id = take_span_id()
            except IndexError:
                span_id = new_span_id()
            span.tracer = self
            span.trace_id = trace_id
            span.span_id = span_id
            span.parent_id = parent_id
            span.name = name
            span.kind = kind
            span.attributes = attributes
            span.anchor_ns = anchor_ns
            span.status = "ok"
            span.error = ""
            span.extras = span.region = None
            span.ended = span.odd = False
            span.outer = NOWHERE
            now = self.now_ns
            span._begin = begin = now()  # noqa: SLF001 - of a class that this one fills
            span.start_ns = start_ns = begin + anchor_ns
            sink = self.sink
            if sink is None:
                span.head = None
                return span
            try:
                span.head = head = _dumps(
                    (trace_id, span_id, parent_id, name, kind, start_ns), None, _LINE
                )
                put = sink.put
                put(head)
            except Exception:  # noqa: BLE001 - a name may be anything, and no segment be there
                write(sink, span.beginning())
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
        given = list(links)
        extras = None if source is HOLDFAST and not given else Extras(source)
        if extras is not None:
            extras.links = given
        named = dict(attributes) if attributes else {}
        return self.begun(name, kind, place, start_ns, named, extras, span_id)

    def begun(
        self,
        name: str,
        kind: str,
        parent: Link | Place | None,
        start_ns: int | None,
        attributes: dict[str, Value],
        extras: Extras | None,
        span_id: str | None = None,
    ) -> ActiveSpan:
        """Do what `start` does, with attributes that are given away; without a parent, in a new trace."""
        place = Link(new_run_id(), None) if parent is None else parent
        span = ActiveSpan()
        span.tracer = self
        span.trace_id = place.trace_id
        span.span_id = span_id or new_span_id()
        span.parent_id = place.span_id
        span.name = name
        span.kind = kind
        span.attributes = attributes
        span.anchor_ns = (0 if isinstance(place, Link) else place.anchor_ns) or self._anchor()
        span.status = "ok"
        span.error = ""
        span.extras = extras
        span.head = span.region = None
        span.ended = span.odd = False
        span.outer = NOWHERE
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
        return Tracer(clock=self._clock)

    def _outside(self, name: str, kind: str, attributes: dict[str, Value]) -> NullSpan:
        """Return what stands for a span where there is no trace."""
        span = place_of("", new_span_id(), NullSpan)
        span.tracer = self
        span.parent_id = None
        span.name = name
        span.kind = kind
        span.attributes = attributes
        span.status = "ok"
        span.error = ""
        span.start_ns = 0
        span.extras = span.head = None
        return span

    def _look(self, place: Place | None, frame: FrameType | None) -> Place | None:
        if place is not None and place.odd:
            place = resolve(place, frame)
        if place is None:
            place = root()
        if self.elsewhere is not None:
            found = self.elsewhere(place)
            place = place_of(*found) if isinstance(found, Link) else found
        return place
