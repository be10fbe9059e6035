"""Cut the power of a real file system under load, mount it again, and read back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from holdfast.clock import SystemClock
from holdfast.testing.crash.crew import Crew
from holdfast.testing.crash.evidence import Ack, Verdict
from holdfast.testing.crash.kills import Storm, read_back
from holdfast.testing.crash.mounts import CutDisk
from holdfast.testing.crash.writer import Order

_CUTS_OF_ONE_STORE = 8
_MOST_ACKS_BEFORE = 150


def cut_storm(
    disk: CutDisk,
    order: Order,
    *,
    cuts: int,
    writers: int = 3,
    seed: int = 0,
    under: Sequence[str] = (),
) -> Storm:
    """Return what is left after so many power cuts of `disk` while writers were at work.

    `order.url` is the address of the store with `{path}` in place of its path; a new store is
    made every few cuts. Only what was acknowledged before a cut began must be there: behind it,
    a sync that was under way may return without having saved anything.
    """
    chance = random.Random(seed)
    clock = SystemClock()
    whole = Verdict()
    numbers = count(1)
    told: list[Ack] = []
    certain: list[Ack] = []
    url, errors = "", 0
    for cut in range(cuts):
        if cut % _CUTS_OF_ONE_STORE == 0:
            url = order.url.format(path=disk.path / f"store{cut}")
            told, certain = [], []
        with Crew(under=under) as crew:
            for _ in range(writers):
                crew.start(replace(order, url=url, name=f"{order.name}{next(numbers)}"))
            crew.wait_for_acks(chance.randint(1, _MOST_ACKS_BEFORE))
            began = clock.monotonic_ns()
            disk.cut()
            crew.kill(*crew.writers)
            crew.settle()
        told += crew.told.acks
        before = told_before(crew.told.acks, began)
        certain += before
        errors += len(crew.told.errors)
        disk.unmount()
        disk.mount()
        _merge(whole, read_back(url, certain, told), cut, crew.told.bugs)
        whole.acknowledged += len(before)
    return Storm(cuts, whole.acknowledged, errors, whole)


def told_before(acks: Sequence[Ack], moment: int) -> list[Ack]:
    """Return the acknowledgements that are certain: their writers had them before the moment."""
    return [ack for ack in acks if ack.stamp < moment]


def _merge(whole: Verdict, verdict: Verdict, cut: int, bugs: Sequence[str]) -> None:
    whole.held += verdict.held
    whole.lost += [f"cut {cut}: {each}" for each in verdict.lost]
    whole.wrong += [f"cut {cut}: {each}" for each in (*verdict.wrong, *bugs)]
