"""Write to a store and tell of each acknowledgement, in a process that may die at any time."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TypeVar

from holdfast.clock import SystemClock
from holdfast.errors import StorageError
from holdfast.storage.opening import open_store
from holdfast.storage.seam import ABSENT, ANY, Ack, Append, Batching, Conflict, Erasing, Put, Store
from holdfast.testing.crash import evidence
from holdfast.testing.crash.evidence import PAIR, PAIRS, RECORD, SHARED_LOG, TURNS, Kind, payload

T = TypeVar("T")

REFUSED = 3
"""The exit code of a writer whose store failed with a clean error, also when opened again."""

_FIRST = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a writer has to do.

    `rounds` is how often each lane writes, 0 for ever; `reopens` how often it opens the store
    again after an error. With `early` it acknowledges before the store did, as a test of the test.
    """

    url: str
    name: str
    lanes: int = 3
    ack: Ack = "disk"
    early: bool = False
    rounds: int = 0
    reopens: int = 0

    def line(self) -> str:
        """Return it as the line that the program reads."""
        return json.dumps(asdict(self))


def tell(text: str) -> None:
    """Write a line in one piece, so that those of several processes do not mix."""
    # Not `write`: that is one of the calls that sweeps break.
    os.writev(sys.__stdout__.fileno() if sys.__stdout__ else 1, [text.encode() + b"\n"])


class _Lane:
    """One sequence of writes."""

    def __init__(self, store: Store, order: Order, name: str, lane: str) -> None:
        self._store = store
        self._order = order
        self._name = name
        self._lane = lane
        self._clock = SystemClock()
        self._version = ABSENT

    async def work(self) -> None:
        """Write until the rounds are over."""
        count = 0
        while not self._order.rounds or count < self._order.rounds:
            count += 1
            value = payload(self._name, self._lane, count)
            if not self._order.early:
                await self._tell("log", count, lambda value=value: self._append(value))
            await self._tell("record", count, lambda value=value: self._put(value))
            await self._tell("pair", count, lambda value=value, n=count: self._write_pair(value, n))
            if isinstance(self._store, Erasing):
                await self._tell(
                    "turn", count, lambda value=value, n=count: self._take_turn(value, n)
                )

    async def _tell(self, kind: Kind, count: int, write: Callable[[], Awaitable[int]]) -> None:
        if self._order.early:
            # What is told is a guess, as that of a store which does not wait for the disk.
            self._say(kind, count, count)
            await write()
            return
        place = await write()
        self._say(kind, count, place)

    def _say(self, kind: Kind, count: int, place: int) -> None:
        stamp = self._clock.monotonic_ns()
        tell(evidence.Ack(stamp, kind, self._name, self._lane, count, place).line())

    async def _append(self, value: bytes) -> int:
        return accepted(await self._store.append((*SHARED_LOG, self._lane), [value]))

    async def _put(self, value: bytes) -> int:
        key = (*RECORD, self._name, self._lane)
        self._version = accepted(await self._store.put(key, value, expected=self._version))
        return self._version

    async def _write_pair(self, value: bytes, count: int) -> int:
        assert isinstance(self._store, Batching), "the writers need a store that can batch"
        lane = self._name, self._lane
        refused = await self._store.batch(
            [
                Put(key=(*PAIR, *lane), value=value, expected=ANY),
                Append(log=(*PAIRS, *lane), entries=[value], expected=count - 1),
            ]
        )
        accepted(refused)
        return count

    async def _take_turn(self, value: bytes, count: int) -> int:
        """Begin a log, or erase it, and return the number of the entry."""
        assert isinstance(self._store, Erasing)
        log, last = (*TURNS, self._name, self._lane), count // 2
        if count % 2:
            return accepted(await self._store.append(log, [value], expected=ABSENT))
        accepted(await self._store.erase(log, expected=last))
        return last


def accepted(answer: T | Conflict) -> T:
    """Return the answer; nobody else writes to these keys, so that a conflict is a bug."""
    assert not isinstance(answer, Conflict), f"refused: {answer}"
    return answer


async def write(order: Order) -> int:
    """Do what the order says; return the exit code."""
    for attempt in range(order.reopens + 1):
        # A name is used once: who opens again does not know how far it had come.
        name = order.name if attempt == _FIRST else f"{order.name}.{attempt}"
        if await _write_once(order, name):
            return 0
    return REFUSED


async def _write_once(order: Order, name: str) -> bool:
    try:
        async with open_store(order.url, clock=SystemClock(), ack=order.ack) as store:
            lanes = [_Lane(store, order, name, str(lane)) for lane in range(order.lanes)]
            ended = await asyncio.gather(*(lane.work() for lane in lanes), return_exceptions=True)
        for error in ended:
            if error:
                raise error
    except StorageError as error:
        tell(f"0 error {name} {type(error).__name__}: {str(error)[:300]}".replace("\n", " "))
        return False
    return True
