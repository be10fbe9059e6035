"""What it takes to find the next due record of a queue, or that there is none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.ours.filling import NOTHING_DUE, queue
from benchmarks.ours.stores import Request, answer, middle, opened, timed
from holdfast.clock import SystemClock
from holdfast.storage.fallback import claim_due

WARM_UP = 50
_LEASE_MS = 24 * 60 * 60 * 1000


async def measure(request: Request, folder: Path) -> Mapping[str, float]:  # noqa: ARG001
    """Return median milliseconds: of all claims, the first and the last fifth, and those in vain."""
    claims, clock = int(request["claims"]), SystemClock()
    part = max(1, claims // 5)
    async with opened(request["backend"], Path(request["place"]), ack="os") as store:

        async def claim(number: int, *, found: bool) -> None:
            until = clock.now_ms() + _LEASE_MS
            record = await claim_due(store, queue(number), until=until, clock=clock)
            assert (record is not None) == found

        taken: list[float] = []
        vain: list[float] = []
        for number in range(claims + WARM_UP):
            taken.append(await timed(lambda: claim(0, found=True)))
            if number < part + WARM_UP:
                vain.append(await timed(lambda: claim(NOTHING_DUE, found=False)))
    taken = taken[WARM_UP:]
    return {
        "all_ms": middle(taken) / 1000,
        "first_ms": middle(taken[:part]) / 1000,
        "last_ms": middle(taken[-part:]) / 1000,
        "vain_ms": middle(vain[WARM_UP:]) / 1000,
    }


if __name__ == "__main__":
    answer(measure)
