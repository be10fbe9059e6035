"""Make spans for tests of trace stores, and digest them without the analysis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.tracing.digest import Call, Sighting, TraceDigest
from holdfast.tracing.meaning import TokenUsage
from holdfast.tracing.span import Span

HOUR = 3_600_000_000_000
EPOCH = 500_000 * HOUR


def trace_id(number: int) -> str:
    return f"{number + 1:032x}"


def span_id(number: int) -> str:
    return f"{number + 1:016x}"


def span(trace: int, number: int, **members: Any) -> Span:
    """Return the span of this number in the trace of this number."""
    return Span(
        **{
            "trace_id": trace_id(trace),
            "span_id": span_id(number),
            "parent_id": None if number == 0 else span_id(0),
            "name": f"name {number % 3}",
            "kind": "step",
            "start_ns": EPOCH + trace * HOUR // 4 + number * 1000,
            "duration_ns": 1000 + number,
            **members,
        }
    )


def plain_digest(spans: Sequence[Span]) -> TraceDigest:
    """Return a digest by simple rules: the model calls are spans of the kind `model`."""
    first = min(spans, key=lambda each: (each.parent_id is not None, each.start_ns, each.span_id))
    failed = [each for each in spans if each.status == "error"]
    calls = [
        Call(
            span_id=each.span_id, start_ns=each.start_ns, duration_ns=each.duration_ns,
            provider="p", model=str(each.attributes.get("model", "m")),
            usage=TokenUsage(input=10, output=5),
            told_msat=each.attributes.get("cost"),  # pyright: ignore[reportArgumentType]
        )
        for each in spans
        if each.kind == "model"
    ]  # fmt: skip
    return TraceDigest(
        trace_id=first.trace_id,
        name=first.name,
        start_ns=min(each.start_ns for each in spans),
        duration_ns=max(each.end_ns for each in spans) - min(each.start_ns for each in spans),
        status="open" if any(each.status == "open" for each in spans) else first.status,
        spans=len(spans),
        errors=len(failed),
        user=str(first.attributes.get("user", "")),
        release=str(first.attributes.get("release", "")),
        workflow=str(first.attributes.get("workflow", "")),
        cost_msat=sum(each.told_msat or 0 for each in calls) if calls else None,
        cost_known=all(each.told_msat is not None for each in calls),
        calls=calls,
        sightings=[
            Sighting(
                span_id=each.span_id, fingerprint=each.error or "none", error_class="tool",
                kind="Error", message=each.error, origin=True,
            )
            for each in failed
        ],
    )  # fmt: skip


def said(found: Span) -> dict[str, Any]:
    members = {name: getattr(found, name) for name in Span.__slots__}
    return {**members, "events": list(found.events), "links": list(found.links)}
