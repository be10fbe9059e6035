"""Claiming and watching on the six verbs alone, beyond what the contract asks."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import UsageError
from holdfast.storage.fallback import claim_due, watch_changes
from holdfast.storage.limits import check_operation, check_value
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ABSENT, ANY, Append, Delete, Put, Record
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import FaultyStore, UnbatchedStore

MAX_VALUE_BYTES = 64 * 1024 * 1024

QUEUE = ("jobs",)


async def test_a_claim_uses_the_ability_of_the_store() -> None:
    clock = ManualClock()
    async with FaultyStore(MemoryStore(clock=clock), {}) as store:
        await store.put(("jobs", "a"), b"", expected=ABSENT, due_at=0)
        assert await claim_due(store, QUEUE, until=5, clock=clock)
        assert (store.calls["claim"], store.calls["scan"], store.calls["put"]) == (1, 0, 1)


async def test_a_watch_uses_the_ability_of_the_store() -> None:
    clock = ManualClock()
    async with FaultyStore(MemoryStore(clock=clock), {}) as store:
        async with watch_changes(store, QUEUE, clock=clock) as changes:
            await store.append(("jobs",), [b"x"])
            await changes.wait()
        assert (store.calls["watch"], clock.sleeping) == (1, 0)


async def test_a_claim_by_scanning_looks_at_every_page() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as inner:
        for number in range(1700):
            await inner.put(("jobs", f"{number:04}"), b"", expected=ABSENT, due_at=5000 - number)
        store = UnbatchedStore(inner)
        for number in (1699, 1698):
            record = await claim_due(store, QUEUE, until=2**50, clock=clock)
            assert record is not None
            assert record.key == ("jobs", f"{number:04}")


@pytest.mark.parametrize("count", [499, 500, 501])
async def test_a_claim_by_scanning_ends_behind_the_last_page(count: int) -> None:
    clock = ManualClock()
    async with FaultyStore(MemoryStore(clock=clock), {}) as inner:
        for number in range(count):
            await inner.put(("jobs", f"{number:04}"), b"", expected=ABSENT)
        assert await claim_due(UnbatchedStore(inner), QUEUE, until=5, clock=clock) is None
        assert inner.calls["scan"] == 1 + (count >= 500)


class _Overtaken(UnbatchedStore):
    """Somebody else writes behind each scan."""

    def __init__(self, inner, writes) -> None:
        super().__init__(inner)
        self._writes = writes

    async def scan(self, prefix, *, after=None, limit=100):
        page = await super().scan(prefix, after=after, limit=limit)
        if self._writes:
            await self._writes.pop(0)()
        return page


async def test_a_claim_that_is_overtaken_takes_the_next_record() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as inner:
        for name in "ab":
            await inner.put(("jobs", name), name.encode(), expected=ABSENT, due_at=0)

        async def take() -> None:
            await inner.claim(QUEUE, until=2**50)

        record = await claim_due(_Overtaken(inner, [take]), QUEUE, until=2**50, clock=clock)
        assert record is not None
        assert record == await inner.get(("jobs", "b"))


async def test_a_claim_that_is_overtaken_everywhere_looks_again() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as inner:
        await inner.put(("jobs", "a"), b"old", expected=ABSENT, due_at=0)

        async def change() -> None:
            await inner.put(("jobs", "a"), b"new", expected=ANY, due_at=0)

        async def remove() -> None:
            await inner.delete(("jobs", "a"), expected=ANY)

        changed = await claim_due(_Overtaken(inner, [change]), QUEUE, until=0, clock=clock)
        assert changed == Record(("jobs", "a"), b"new", 3, due_at=0)
        assert await claim_due(_Overtaken(inner, [remove]), QUEUE, until=0, clock=clock) is None


async def test_a_record_that_expires_behind_the_scan_is_not_claimed() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as inner:
        expires_at = clock.now_ms() + 5
        await inner.put(("jobs", "a"), b"", expected=ABSENT, due_at=0, expires_at=expires_at)

        async def wait() -> None:
            clock.advance(0.005)

        store = _Overtaken(inner, [wait])
        assert await claim_due(store, QUEUE, until=2**50, clock=clock) is None


async def test_watching_without_the_ability_returns_at_each_interval() -> None:
    clock = ManualClock()
    store = UnbatchedStore(MemoryStore(clock=clock))
    async with watch_changes(store, QUEUE, clock=clock, every=7) as changes:
        for _ in range(3):
            waiting = asyncio.ensure_future(changes.wait())
            await clock.until_sleeping()
            clock.advance(6.999)
            await clock.sleep(0)
            assert not waiting.done()
            clock.advance(0.001)
            await waiting


def test_a_value_is_checked_against_the_limit_of_the_store() -> None:
    check_value(bytes(10), 10)
    check_value(bytes(11))
    with pytest.raises(UsageError, match="11 bytes; 10 are allowed"):
        check_value(bytes(11), 10)
    with pytest.raises(UsageError, match=f"{MAX_VALUE_BYTES} are allowed"):
        check_value(bytes(MAX_VALUE_BYTES + 1))


@pytest.mark.parametrize(
    "operation",
    [
        Put(key=("a",), value=bytes(11), expected=ANY),
        Append(log=("a",), entries=[b"", bytes(11)]),
    ],
)
def test_an_operation_is_checked_whole(operation) -> None:
    check_operation(operation)
    check_operation(Delete(key=("a",), expected=ANY), 0)
    with pytest.raises(UsageError, match="11 bytes; 10 are allowed"):
        check_operation(operation, 10)
