"""Requests, attempts and ends for tests of the ledger."""

from __future__ import annotations

from typing import Any

from holdfast.ids import new_run_id
from holdfast.routing.ledger.entries import (
    OK,
    Attempt,
    Cap,
    RequestEnd,
    RequestStart,
    Reservation,
    Scope,
)
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.seam import Usage

AT = 1_795_694_400_000
"""2026-11-26T12:00:00Z."""
TOTAL = Scope("total")


def start(owner: str = "ann", *, at_ms: int = AT, run: str = "", **members: object) -> RequestStart:
    told = {"id": new_run_id(), "model": "gpt", "key_id": "k1", **members}
    return RequestStart(at_ms=at_ms, owner=owner, run_id=run, **told)  # type: ignore[arg-type]


async def held(
    ledger: Ledger, amount: int | None = 1000, *caps: Cap, **members: Any
) -> Reservation:
    """Return a reservation for a new request, which the ledger must let in."""
    got = await ledger.reserve(start(**members), amount, caps)
    assert isinstance(got, Reservation)
    return got


def end(*charges: int | None, outcome: str = OK, latency_ms: int = 20) -> RequestEnd:
    usage = Usage(input_tokens=10, output_tokens=5)
    attempts = tuple(
        Attempt(
            provider="node",
            model="gpt",
            outcome=outcome,
            charged_msat=charge,
            quoted_msat=charge,
            usage=usage,
            latency_ms=latency_ms,
        )
        for charge in charges
    )
    return RequestEnd(
        outcome=outcome, attempts=attempts, provider="node", model="gpt", latency_ms=latency_ms
    )


def cap(limit: int, kind: str = "total", name: str = "") -> Cap:
    return Cap(scope=Scope(kind, name), limit_msat=limit)
