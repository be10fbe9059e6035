"""Let libraries that speak OpenTelemetry write into our traces."""

from __future__ import annotations

import logging
from typing import Any, Final, Literal, cast

from holdfast.errors import UsageError
from holdfast.tracing.tracer import Tracer

Installed = Literal["provider", "processor", "foreign"]
"""How spans of others come to us: `foreign` if a provider that is not known keeps them."""

_warned: Final[set[type]] = set()


def install(tracer: Tracer) -> Installed:
    """Make a tracer the place where OpenTelemetry's spans go, and share the current span with it.

    Where a provider of the SDK is set already we listen to it as a span processor. A second call with
    another tracer moves everything to that one. A provider that cannot be listened to is named once
    in a warning of the logger `holdfast.tracing`.

    Raises:
        UsageError: the package opentelemetry-api is not installed.
    """
    try:
        from opentelemetry import trace as api  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "spans of other libraries need the package opentelemetry-api",
            hint="install holdfast[otel]",
        ) from error
    from holdfast.tracing.otel.current import share  # noqa: PLC0415 - as above
    from holdfast.tracing.otel.processor import Processor  # noqa: PLC0415 - as above
    from holdfast.tracing.otel.provider import Provider  # noqa: PLC0415 - as above

    shared = share(tracer)
    current = cast("Any", api.get_tracer_provider())
    if isinstance(current, api.ProxyTracerProvider):
        api.set_tracer_provider(Provider(shared))
        return "provider"
    if isinstance(current, Provider):
        current.shared = shared
        return "provider"
    if not hasattr(current, "add_span_processor"):
        _warn_of(current)
        return "foreign"
    listening = getattr(current, "_holdfast", None)
    if listening is None:
        listening = current._holdfast = Processor(tracer)  # noqa: SLF001 - ours, on an object of theirs
        current.add_span_processor(listening)
    listening.tracer = tracer
    return "processor"


def _warn_of(provider: object) -> None:
    found = type(provider)
    if found in _warned:
        return
    _warned.add(found)
    logging.getLogger("holdfast.tracing").warning(
        "spans of other libraries do not come into the traces: OpenTelemetry's tracer provider is "
        "already %s.%s, which takes no span processors. Call "
        "holdfast.tracing.otel.installing.install before that one is set, or take out what sets it",
        found.__module__, found.__qualname__,
    )  # fmt: skip
