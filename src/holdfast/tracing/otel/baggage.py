"""The baggage of OpenTelemetry's API."""

from __future__ import annotations

from opentelemetry.baggage.propagation import W3CBaggagePropagator


def baggage_line() -> str:
    """Return what is current there as a `baggage` header, empty if there is nothing."""
    lines: dict[str, str] = {}
    W3CBaggagePropagator().inject(lines)
    return lines.get("baggage", "")
