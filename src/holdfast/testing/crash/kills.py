"""Kill writers under load, again and again, and read back."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

from holdfast.clock import SystemClock
from holdfast.storage.opening import open_store
from holdfast.storage.seam import Store
from holdfast.testing.crash.crew import Crew
from holdfast.testing.crash.evidence import Ack, Evidence, Verdict
from holdfast.testing.crash.writer import Order

_ALL_AT_ONCE = 10
"""One in so many kills takes all writers."""

_MOST_ACKS_BETWEEN = 60
_LONGEST_PAUSE = 0.003


@dataclass(frozen=True, slots=True)
class Storm:
    """What a storm of kills or cuts left: `blows` is how many there were."""

    blows: int
    acknowledged: int
    errors: int
    verdict: Verdict

    def require_clean(self) -> None:
        """Raise an AssertionError if a promise was broken."""
        self.verdict.require_clean()

    def figures(self) -> dict[str, int]:
        """Return the numbers by name."""
        return {
            "acknowledged": self.acknowledged,
            "lost": len(self.verdict.lost),
            "wrong": len(self.verdict.wrong),
            "errors": self.errors,
        }


def kill_storm(
    order: Order, *, kills: int, writers: int = 3, seed: int = 0, under: Sequence[str] = ()
) -> Storm:
    """Return what is left after so many `kill -9` of writers that work on one store at once.

    Each kill comes at a random moment, and another writer takes the place of the dead; now and
    then all die together. In the end everything acknowledged must be there.
    """
    chance = random.Random(seed)
    pause = threading.Event()
    numbers = count(1)
    with Crew(under=under) as crew:
        done = 0
        while done < kills:
            while len(crew.writers) < writers:
                crew.start(replace(order, name=f"{order.name}{next(numbers)}"))
            crew.wait_for_acks(chance.randint(0, _MOST_ACKS_BETWEEN))
            # Acknowledgements must not be what decides when the kill comes.
            pause.wait(chance.random() * _LONGEST_PAUSE)
            together = chance.randrange(_ALL_AT_ONCE) == 0
            victims = crew.writers if together else [chance.choice(crew.writers)]
            crew.kill(*victims)
            done += len(victims)
        crew.kill(*crew.writers)
        crew.settle()
        told = crew.told
    verdict = read_back(order.url, told.acks, told.acks)
    verdict.wrong += told.bugs
    return Storm(done, len(told.acks), len(told.errors), verdict)


def read_back(url: str, certain: Sequence[Ack], told: Sequence[Ack]) -> Verdict:
    """Open the store at `url` and hold it against what its writers told."""

    async def reading() -> Verdict:
        store: Store
        async with open_store(url, clock=SystemClock()) as store:
            return await Evidence(certain, told).hold_against(store)

    return asyncio.run(reading())
