"""A span of OpenTelemetry's API that is one of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec

from opentelemetry import trace as api
from opentelemetry.trace.span import TraceState

from holdfast.tracing.active import ActiveSpan
from holdfast.tracing.current import Link, Place
from holdfast.tracing.failing import EVENT, describe
from holdfast.tracing.safely import text_of
from holdfast.tracing.span import SpanLink, Value

KINDS = {
    api.SpanKind.INTERNAL: "internal",
    api.SpanKind.SERVER: "server",
    api.SpanKind.CLIENT: "client",
    api.SpanKind.PRODUCER: "producer",
    api.SpanKind.CONSUMER: "consumer",
}
_API_KINDS = {name: kind for kind, name in KINDS.items()}
Given = ParamSpec("Given")
_NAMES = {str}
_SAMPLED = api.TraceFlags(api.TraceFlags.SAMPLED)


def _quietly(verb: Callable[Given, None]) -> Callable[Given, None]:
    """Return a verb that does nothing where it would raise: tracing must not reach the application."""

    @wraps(verb)
    def called(*args: Given.args, **named: Given.kwargs) -> None:
        try:  # noqa: SIM105 - `suppress` costs more, and every span pays it
            verb(*args, **named)
        except Exception:  # noqa: BLE001, S110 - see above
            pass

    return called


class ApiSpan(api.Span):
    """Does what the API says of spans to one of ours; after its end nothing changes it.

    What makes no sense is left out, and nothing raises.
    """

    __slots__ = ("_context", "_is_final", "_state", "active")

    def __init__(self, active: ActiveSpan, state: TraceState | None = None) -> None:
        self.active = active
        self._is_final = False
        self._state = state
        self._context: api.SpanContext | None = None

    @property
    def kind(self) -> api.SpanKind:
        """The kind, which instrumentors of servers ask for."""
        return _API_KINDS.get(self.active.kind, api.SpanKind.INTERNAL)

    @property
    def name(self) -> str:
        """The name as it is now."""
        return self.active.name

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes so far."""
        return self.active.attributes

    def get_span_context(self) -> api.SpanContext:
        if self._context is None:
            self._context = context_of(self.active, state=self._state)
        return self._context

    def is_recording(self) -> bool:
        return not self.active.ended

    @_quietly
    def set_attribute(self, key: str, value: Any) -> None:
        if not self.active.ended and isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance] - or so they say
            self.active.attributes[str.__str__(key)] = value

    @_quietly
    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if not self.active.ended:
            self.active.attributes.update(attributes_of(attributes))

    @_quietly
    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        if not self.active.ended:
            self.active.note(text_of(name), attributes_of(attributes), instant_of(timestamp))

    @_quietly
    def add_link(self, context: api.SpanContext, attributes: Any = None) -> None:
        if not self.active.ended:
            self.active.rest.links += links_of([api.Link(context, attributes)])

    @_quietly
    def update_name(self, name: str) -> None:
        if not self.active.ended:
            self.active.rename(text_of(name))

    @_quietly
    def set_status(
        self, status: api.Status | api.StatusCode, description: str | None = None
    ) -> None:
        """Set the status as the specification says: `OK` is final, `UNSET` changes nothing."""
        if isinstance(status, api.Status):
            status, description = status.status_code, status.description
        if self.active.ended or self._is_final:
            return
        if status is api.StatusCode.OK:
            self._is_final = True
            self.active.status, self.active.error = "ok", ""
        elif status is api.StatusCode.ERROR:
            told = "" if description is None else text_of(description)
            self.active.status, self.active.error = "error", told

    @_quietly
    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - the form of the API
    ) -> None:
        if self.active.ended:
            return
        told = describe(exception)
        told["exception.escaped"] = str(bool(escaped))
        told.update(attributes_of(attributes))
        self.active.note(EVENT, told, instant_of(timestamp))

    def end(self, end_time: int | None = None) -> None:
        try:  # noqa: SIM105 - `suppress` costs more
            self.active.end(None if end_time is None else instant_of(end_time))
        except Exception:  # noqa: BLE001, S110 - as everywhere; no wrapper, since every span pays it
            pass


def context_of(
    place: Place, *, is_remote: bool = False, state: TraceState | None = None
) -> api.SpanContext:
    """Return how the API refers to a place; no valid context if its ids are not of that form."""
    try:
        trace_id, span_id = int(place.trace_id, 16), int(place.span_id or "0", 16)
    except ValueError:
        return api.INVALID_SPAN_CONTEXT
    return api.SpanContext(trace_id, span_id, is_remote, _SAMPLED, state)


def link_to(context: api.SpanContext) -> Link:
    """Return where a span hangs that is below this one."""
    return Link(f"{context.trace_id:032x}", f"{context.span_id:016x}")


def attributes_of(given: Any) -> dict[str, Value]:
    """Return attributes without those that have no name; none if they are no mapping."""
    try:
        if not given:
            return {}
        attributes: dict[Any, Any] = dict(given)
        if set(map(type, attributes)) == _NAMES:
            return attributes
        return {
            str.__str__(name): value for name, value in attributes.items() if isinstance(name, str)
        }
    except Exception:  # noqa: BLE001 - what an application hands over may be anything
        return {}


def instant_of(given: Any) -> int | None:
    """Return nanoseconds of the Unix epoch; None, which means now, if that is no number."""
    if given is None or type(given) is int:
        return given
    try:
        return int(given)
    except Exception:  # noqa: BLE001 - as above
        return None


def links_of(links: Sequence[api.Link] | None) -> list[SpanLink]:
    """Return links in our form, without those that cannot be read."""
    found: list[SpanLink] = []
    if not links:
        return found
    with suppress(Exception):
        for each in links:
            with suppress(Exception):
                found.append(_link_of(each.context, each.attributes))
    return found


def _link_of(context: api.SpanContext, attributes: Any) -> SpanLink:
    trace_id, span_id = link_to(context)
    return SpanLink(
        trace_id=trace_id,
        span_id=span_id or "",
        state=context.trace_state.to_header(),
        attributes=attributes_of(attributes),
        flags=int(context.trace_flags),
    )
