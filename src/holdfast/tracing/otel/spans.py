"""A span of OpenTelemetry's API that is one of ours."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Any, cast

from opentelemetry import trace as api
from opentelemetry.trace.span import TraceState

from holdfast.tracing.active import ActiveSpan
from holdfast.tracing.current import Link
from holdfast.tracing.span import SpanLink, Value

KINDS = {
    api.SpanKind.INTERNAL: "internal",
    api.SpanKind.SERVER: "server",
    api.SpanKind.CLIENT: "client",
    api.SpanKind.PRODUCER: "producer",
    api.SpanKind.CONSUMER: "consumer",
}
_API_KINDS = {name: kind for kind, name in KINDS.items()}
_SAMPLED = api.TraceFlags(api.TraceFlags.SAMPLED)


class ApiSpan(api.Span):
    """Does what the API says of spans to one of ours; after its end nothing changes it."""

    __slots__ = ("_context", "_is_final", "active")

    def __init__(self, active: ActiveSpan, state: TraceState | None = None) -> None:
        self.active = active
        self._is_final = False
        self._context = api.SpanContext(
            int(active.trace_id, 16), int(active.span_id, 16), is_remote=False,
            trace_flags=_SAMPLED, trace_state=state,
        )  # fmt: skip

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
        return self._context

    def is_recording(self) -> bool:
        return not self.active.ended

    def set_attribute(self, key: str, value: Any) -> None:
        if not self.active.ended:
            self.active.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if not self.active.ended:
            self.active.attributes.update(attributes)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        if not self.active.ended:
            self.active.note(name, dict(attributes or {}), timestamp)

    def add_link(self, context: api.SpanContext, attributes: Any = None) -> None:
        if not self.active.ended:
            self.active.rest.links.append(link_of(context, attributes))

    def update_name(self, name: str) -> None:
        if not self.active.ended:
            self.active.rename(name)

    def set_status(
        self, status: api.Status | api.StatusCode, description: str | None = None
    ) -> None:
        """Set the status as the specification says: `OK` is final, `UNSET` changes nothing."""
        if isinstance(status, api.Status):
            status, description = status.status_code, status.description
        if self.active.ended or self._is_final or status is api.StatusCode.UNSET:
            return
        if status is api.StatusCode.OK:
            self._is_final = True
            self.active.status, self.active.error = "ok", ""
        else:
            self.active.status, self.active.error = "error", description or ""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - the form of the API
    ) -> None:
        if self.active.ended:
            return
        kind = type(exception)
        said: dict[str, Value] = {
            "exception.type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
            "exception.message": _text(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
            **cast("dict[str, Value]", dict(attributes or {})),
        }
        self.active.note("exception", said, timestamp)

    def end(self, end_time: int | None = None) -> None:
        self.active.end(end_time)


def link_of(context: api.SpanContext, attributes: Any = None) -> SpanLink:
    """Return a link to a span."""
    return SpanLink(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        state=context.trace_state.to_header(),
        attributes=dict(attributes or {}),
        flags=int(context.trace_flags),
    )


def links_of(links: Sequence[api.Link] | None) -> list[SpanLink]:
    """Return links in our form."""
    return [link_of(each.context, each.attributes) for each in links or ()]


def place_of_context(context: api.SpanContext) -> Link:
    """Return where a span hangs that is below this one."""
    return Link(f"{context.trace_id:032x}", f"{context.span_id:016x}")


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a hostile exception must not reach the application
        return "<an exception that cannot be shown>"
