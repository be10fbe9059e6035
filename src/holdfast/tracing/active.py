"""A span that is still open, and the block that it times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self, TypeAlias, cast

import orjson

from holdfast.frozen import replace
from holdfast.tracing.current import (
    COLLECTION,
    CURRENT,
    NOWHERE,
    STACK,
    Link,
    Place,
    Within,
    enter,
    frame_of,
    leave,
)
from holdfast.tracing.extras import Extras
from holdfast.tracing.records.encoding import end_of, head_of
from holdfast.tracing.safely import name_of
from holdfast.tracing.span import HOLDFAST, Event, Span, SpanLink, Status, Value

_get, _set = CURRENT.get, CURRENT.set
_dumps, _LINE, _NULL = orjson.dumps, orjson.OPT_APPEND_NEWLINE, b"null"
CLOSED_EARLY = "holdfast.closed_early"
"""The attribute of a span of a generator that was closed, or collected, before its end."""
WITHHELD = "holdfast.withheld"
"""The attribute that stands for all others when `prepare` failed: its exception's class."""


Prepare: TypeAlias = "Callable[[dict[str, Value]], Mapping[str, Value]]"
"""Takes the attributes of a span that has ended and returns those to keep: secrets out, long values
elsewhere. It must not raise; if it does, the span says so and keeps none."""


class SpanSink(Protocol):
    """Where records of spans go, as `holdfast.tracing.records.encoding` writes them. Nothing may block."""

    @property
    def put(self) -> Callable[[bytes], object]:
        """What takes a record, or raises ValueError: then it is spilled. Another one at any time."""
        ...

    def spill(self, record: bytes, /) -> None:
        """Take a record for which `put` had no room; never raises."""
        ...


class Origin(Protocol):
    """What a span needs of the tracer that made it."""

    prepare: Prepare | None
    now_ns: Callable[[], int]
    sink: SpanSink | None

    def silent(self) -> Origin:
        """Return one with the same time that records nothing."""
        ...


class ActiveSpan(Place):
    """A span that is still open; `with` makes it current and ends it.

    Everything is recorded as it is when the span ends: an attribute that is changed until then
    counts as it was left. Nothing of it is kept alive afterwards. A class and not a generator:
    every step opens one.
    """

    __slots__ = (
        "_begin", "attributes", "duration_ns", "error", "extras", "head", "kind", "name",
        "parent_id", "start_ns", "status", "tracer",
    )  # fmt: skip

    _begin: int
    tracer: Origin
    span_id: str  # pyright: ignore[reportIncompatibleVariableOverride]
    parent_id: str | None
    name: str
    kind: str
    attributes: dict[str, Value]
    start_ns: int
    duration_ns: int
    status: Status
    error: str
    extras: Extras | None
    head: bytes | None

    def begin(self, start_ns: int | None = None) -> None:
        """Let the time run, from an instant of the Unix epoch or from now on."""
        tracer = self.tracer
        self._begin = tracer.now_ns() if start_ns is None else start_ns - self.anchor_ns
        self.start_ns = self.anchor_ns + self._begin
        if tracer.sink is not None:
            write(tracer.sink, self.beginning())

    def beginning(self) -> bytes:
        """Return the record of its beginning, and keep it for that of its end."""
        self.head = head = head_of(self)
        return head

    @property
    def address(self) -> Link:
        """How others refer to it."""
        return Link(self.trace_id, self.span_id)

    @property
    def rest(self) -> Extras:
        """What few spans have, made when it is first asked for."""
        extras = self.extras
        if extras is None or extras.members is not None:
            extras = self.extras = Extras(HOLDFAST if extras is None else extras.source)
        return extras

    def set(self, /, **attributes: Value) -> None:
        """Add attributes or replace them."""
        self.attributes.update(attributes)

    def event(self, name: str, /, at_ns: int | None = None, **attributes: Value) -> None:
        """Note that something happened, now or at an instant of the Unix epoch."""
        self.note(name, attributes, at_ns)

    def note(self, name: str, attributes: Mapping[str, Value], at_ns: int | None = None) -> None:
        """Do what `event` does, with attributes of any name."""
        at = self.tracer.now_ns() + self.anchor_ns if at_ns is None else at_ns
        self.rest.events.append(Event(at_ns=at, name=name, attributes=attributes))

    def link(self, link: Link, /, **attributes: Value) -> None:
        """Say that another span has to do with this one."""
        self.rest.links.append(
            SpanLink(trace_id=link.trace_id, span_id=link.span_id or "", attributes=attributes)
        )

    def fail(self, error: BaseException) -> None:
        """Say that an exception ended it; it stays open."""
        from holdfast.tracing import failing  # noqa: PLC0415 - most spans end well

        if isinstance(error, GeneratorExit):
            self.attributes[CLOSED_EARLY] = True
            return
        self.status = failing.status_of(error)
        if self.status == "error":
            self.error = failing.line_of(error)
            self.note(failing.EVENT, failing.describe(error, self.trace_id, self.span_id))

    def rename(self, name: str) -> None:
        """Call it something else than when it began."""
        self.name = name
        self.head = None

    def use(self) -> Within:
        """Return a block in which this is current, and which does not end it."""
        return Within(self)

    def end(
        self, end_ns: int | None = None, *, status: Status | None = None, error: str | None = None
    ) -> None:
        """Record it: what ended at `end_ns` of the Unix epoch, or now. Only the first call counts."""
        if self.ended:
            return
        if status is not None:
            self.status = status
        if error is not None:
            self.error = error
        self._close(
            self.tracer.now_ns() - self._begin if end_ns is None else end_ns - self.start_ns
        )

    def _close(self, duration_ns: int) -> None:
        self.ended = True
        if duration_ns < 0:  # noqa: PLR1730 - `max` takes a fiftieth of the time of a span
            duration_ns = 0
        self.duration_ns = duration_ns
        tracer = self.tracer
        if tracer.prepare is not None:
            self._prepare(tracer.prepare)
        sink = tracer.sink
        if sink is None:
            return
        extras = self.extras
        try:
            if extras is None or extras.members is not None:
                members = 0 if extras is None else extras.members
                line = _dumps(
                    (duration_ns, self.status, self.error, self.attributes, members), None, _LINE
                )
                # Of six ways to look for a word this is the quickest. See `encoding` for why.
                if not line.rpartition(_NULL)[1]:
                    put = sink.put
                    put(line + (self.head or head_of(self)))
                    return
        except Exception:  # noqa: BLE001, S110 - nothing that an application hands over may hurt it
            pass
        write(sink, end_of(self))

    def disown(self) -> None:
        self.tracer = self.tracer.silent()

    def recorded(self) -> Span:
        """Return what a sink is to keep of a span that has ended."""
        rest = self.extras or Extras()
        return Span(
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_id=self.parent_id,
            name=self.name,
            kind=self.kind,
            start_ns=self.start_ns,
            duration_ns=self.duration_ns,
            status=self.status,
            error=self.error,
            attributes=self.attributes,
            events=tuple(rest.events),
            links=tuple(rest.links),
            source=rest.source,
            state=rest.state,
            flags=rest.flags,
            dropped_attributes=rest.dropped_attributes,
            dropped_events=rest.dropped_events,
            dropped_links=rest.dropped_links,
        )

    def _prepare(self, prepare: Prepare) -> None:
        try:
            kept = prepare(self.attributes)
            if kept is not self.attributes:
                self.attributes = dict(kept)
            if self.error:
                self.error = _line(prepare({"error": self.error})["error"])
            if self.extras is not None and self.extras.members is None:
                self._prepare_extras(self.extras, prepare)
        except Exception as failure:  # noqa: BLE001 - what could not be checked is not recorded
            self.attributes = {WITHHELD: name_of(failure)}
            self.error = "withheld" if self.error else ""
            self.extras = None

    @staticmethod
    def _prepare_extras(rest: Extras, prepare: Prepare) -> None:
        rest.events = [
            replace(each, attributes=prepare(dict(each.attributes))) for each in rest.events
        ]
        rest.links = [
            replace(each, attributes=prepare(dict(each.attributes))) if each.attributes else each
            for each in rest.links
        ]

    def __enter__(self) -> Self:
        outer = _get()
        frame = frame_of(1)
        code = frame.f_code
        if code is STACK and frame.f_back is not None:
            code = frame.f_back.f_code
        if (
            code.co_flags & 0x220  # GENERATORS
            or (outer is not None and outer.odd)
            or COLLECTION.thread
            or self.outer is not NOWHERE
        ):
            enter(self, frame)
        else:
            self.outer = outer
            _set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.fail(error)
        outer = self.outer
        if self.odd or COLLECTION.thread or _get() is not self or (outer is not None and outer.odd):
            leave(self)
        else:
            _set(outer)
            self.outer = None
        if not self.ended:
            now = self.tracer.now_ns
            self._close(now() - self._begin)


class NullSpan(ActiveSpan):
    """What stands for a span outside of any trace: it takes everything and records nothing."""

    __slots__ = ()

    def end(
        self, end_ns: int | None = None, *, status: Status | None = None, error: str | None = None
    ) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def use(self) -> Within:
        return Within(NOWHERE)


def write(sink: SpanSink, record: bytes) -> None:
    """Have a sink take a record, whether it has room for it or not."""
    try:
        sink.put(record)
    except ValueError:
        sink.spill(record)


def _line(value: Value) -> str:
    """Return the beginning of a line that was so long that it is kept elsewhere."""
    if isinstance(value, str):
        return value
    preview = cast("Mapping[str, Value]", value).get("preview") if value else ""
    return str(preview)
