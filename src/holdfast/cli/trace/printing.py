"""Say what a trace says, in words and in data."""

from __future__ import annotations

from dataclasses import fields

from holdfast.cli.output import iso, moment
from holdfast.routing.cost import format_msat
from holdfast.tracing.analysis.words import took
from holdfast.tracing.digest import TraceDigest
from holdfast.tracing.meaning import TokenUsage

SHORT = 8

__all__ = ["SHORT", "began", "cost_of", "digest_data", "iso_ns", "money", "tokens_of", "took"]


def began(nanoseconds: int) -> str:
    """Return when something began, in local time."""
    return moment(nanoseconds // 1_000_000)


def iso_ns(nanoseconds: int) -> str | None:
    """Return an instant in ISO 8601, UTC."""
    return iso(nanoseconds // 1_000_000)


def money(msat: int | None, micros: int | None = None, currency: str = "") -> str:
    """Return what something cost, in sats and, where it is known, in a currency."""
    parts = [format_msat(msat)] if msat is not None or micros is None else []
    if micros is not None and currency:
        parts.append(f"{micros / 1e6:.4f} {currency}")
    return " / ".join(parts)


def cost_of(digest: TraceDigest) -> str:
    """Return what a trace cost; what is known of it, if not all is."""
    if not digest.calls and digest.cost_msat is None and digest.cost_micros is None:
        return "" if digest.cost_known else "unknown"
    said = money(digest.cost_msat, digest.cost_micros, digest.currency)
    return said if digest.cost_known else f"{said} and more"


def tokens_of(usage: TokenUsage) -> str:
    """Return tokens in and out, empty if nobody counted any."""
    inward, outward = usage.total_input, usage.total_output
    if inward is None and outward is None:
        return ""
    return f"{_count(inward)} in, {_count(outward)} out"


def usage_data(usage: TokenUsage) -> dict[str, int]:
    """Return the members of a usage that were told."""
    found = {each.name: getattr(usage, each.name) for each in fields(usage)}  # pyright: ignore[reportArgumentType]
    return {name: value for name, value in found.items() if value is not None}


def digest_data(digest: TraceDigest) -> dict[str, object]:
    """Return a trace in a list, for programs."""
    return {
        "id": digest.trace_id,
        "name": digest.name,
        "status": digest.status,
        "began_at": iso_ns(digest.start_ns),
        "duration_ms": digest.duration_ns / 1e6,
        "spans": digest.spans,
        "errors": digest.errors,
        "error": digest.error,
        "workflow": digest.workflow,
        "session": digest.session,
        "user": digest.user,
        "release": digest.release,
        "tokens": usage_data(digest.usage),
        "cost_msat": digest.cost_msat,
        "cost_micros": digest.cost_micros,
        "currency": digest.currency,
        "cost_known": digest.cost_known,
    }


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
