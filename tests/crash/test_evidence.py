"""What the readers-back of the crash tests say of stores that broke a promise."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ABSENT, ANY, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.crash.evidence import Ack, Evidence, Kind, Verdict, parse_ack, payload
from holdfast.testing.crash.system_calls import _judge, _Run

LOG = ("crash", "log", "0")
RECORD = ("crash", "record", "w", "0")
PAIR = ("crash", "pair", "w", "0")
PAIRS = ("crash", "pairs", "w", "0")
TURNS = ("crash", "turns", "w", "0")


def ack(kind: Kind, count: int, place: int | None = None) -> Ack:
    return Ack(0, kind, "w", "0", count, count if place is None else place)


ACKS = [ack(kind, count) for count in (1, 2) for kind in ("log", "record", "pair")]


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """Give a store that holds what `ACKS` say."""
    async with MemoryStore(clock=ManualClock()) as store:
        for count in (1, 2):
            value = payload("w", "0", count)
            await store.append(LOG, [value])
            await store.put(RECORD, value, expected=ANY)
            await store.put(PAIR, value, expected=ANY)
            await store.append(PAIRS, [value])
        yield store


async def judged(store: Store, *more: Ack) -> Verdict:
    return await Evidence([*ACKS, *more], [*ACKS, *more]).hold_against(store)


async def test_a_store_that_holds_everything_is_sound(store: Store) -> None:
    found = await judged(store)
    found.require_clean()
    assert (found.acknowledged, found.held) == (6, 6)


@pytest.mark.parametrize("kind", ["log", "record", "pair"])
async def test_what_was_acknowledged_and_is_not_there_is_lost(store: Store, kind: Kind) -> None:
    found = await judged(store, ack(kind, 3))
    assert len(found.lost) == 1
    with pytest.raises(AssertionError, match="1 of 7 acknowledged writes are lost"):
        found.require_clean()


async def test_a_version_that_went_back_is_lost(store: Store) -> None:
    assert len((await judged(store, ack("record", 2, place=9))).lost) == 1


async def test_an_entry_in_another_place_is_lost(store: Store) -> None:
    assert len((await judged(store, ack("log", 1, place=2))).lost) == 1


async def test_the_write_behind_the_last_acknowledged_one_may_be_there(store: Store) -> None:
    await store.append(LOG, [payload("w", "0", 3)])
    (await judged(store)).require_clean()
    await store.append(LOG, [payload("w", "0", 4)])
    assert "nobody wrote" in (await judged(store)).wrong[0]


async def test_a_value_that_nobody_wrote_is_wrong(store: Store) -> None:
    await store.append(LOG, [b"garbage"])
    assert "nobody wrote b'garbage'" in (await judged(store)).wrong[0]


async def test_a_value_of_another_record_is_wrong(store: Store) -> None:
    await store.put(("crash", "record", "other", "0"), payload("w", "0", 1), expected=ANY)
    assert len((await judged(store)).wrong) == 1


async def test_an_entry_that_is_there_twice_is_wrong(store: Store) -> None:
    await store.append(LOG, [payload("w", "0", 2)])
    assert "twice" in (await judged(store)).wrong[0]


async def test_half_a_batch_is_wrong(store: Store) -> None:
    await store.append(PAIRS, [payload("w", "0", 3)])
    assert "2 and 3 halves" in (await judged(store)).wrong[0]


async def test_numbers_with_gaps_are_wrong(store: Store) -> None:
    class Gappy(MemoryStore):
        async def read(self, log, *, after=0, limit=None):
            return [e for e in await store.read(log) if e.number != 1 or log != LOG]

        async def scan(self, prefix, *, after=None, limit=100):
            return await store.scan(prefix, after=after, limit=limit)

    found = await judged(Gappy(clock=ManualClock()))
    assert "without gaps" in found.wrong[0]
    assert len(found.lost) == 1


def test_a_line_of_an_acknowledgement_is_read_back() -> None:
    assert parse_ack(ack("log", 3).line().split()) == ack("log", 3)
    assert parse_ack(["0", "started", "w", "1"]) is None


@pytest.mark.parametrize(
    ("code", "errors", "said"),
    [
        (0, "", []),
        (3, "", []),
        (-9, "", []),
        (1, "boom", ["the writer ended with 1: boom"]),
        (0, "Exception in thread\nTraceback", ["an error came out of a thread"]),
    ],
)
def test_a_writer_ends_well_or_cleanly_or_by_the_kill(
    code: int, errors: str, said: list[str], tmp_path
) -> None:
    run = _Run(code, [], errors, was_hit=True)
    found = list(_judge(run, "story", f"sqlite:{tmp_path / 'store'}"))
    assert len(found) == len(said)
    assert all(expected in text for expected, text in zip(said, found, strict=True))


def test_a_store_that_cannot_be_read_back_is_found(tmp_path) -> None:
    (tmp_path / "store").write_bytes(b"this is no database of any kind" * 100)
    run = _Run(0, [], "", was_hit=True)
    found = list(_judge(run, "story", f"sqlite:{tmp_path / 'store'}"))
    assert "cannot be read" in found[0]


async def _turns(store: MemoryStore, count: int) -> None:
    for turn in range(1, count + 1):
        if turn % 2:
            await store.append(TURNS, [payload("w", "0", turn)], expected=ABSENT)
        else:
            await store.erase(TURNS, expected=turn // 2)


@pytest.mark.parametrize("done", range(7))
async def test_of_a_log_that_is_begun_and_erased_only_the_last_turn_or_the_next_is_there(
    done: int,
) -> None:
    async with MemoryStore(clock=ManualClock()) as store:
        await _turns(store, done)
        for told in range(1, 8):
            acks = [ack("turn", count) for count in range(1, told + 1)]
            verdict = await Evidence(acks, acks).hold_against(store)
            # One of any two turns leaves nothing: so an empty log is always what it may be.
            assert bool(verdict.lost) == (done % 2 == 1 and done not in (told, told + 1))
