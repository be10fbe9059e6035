"""What only the SQLite backend does: group commit, its errors, other processes."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.errors import (
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from holdfast.storage import wal
from holdfast.storage.seam import ABSENT, ANY, Append, Conflict, Put
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.sqlite import errors as sqlite_errors
from holdfast.storage.sqlite.queries import QUERIES
from holdfast.testing.clock import ManualClock

KEY = ("k",)
LOG = ("log",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def open_store(path: Path) -> Callable[[], SqliteStore]:
    clock = ManualClock()
    return lambda: SqliteStore(path, clock=clock)


@pytest.fixture
async def store(open_store: Callable[[], SqliteStore]) -> AsyncIterator[SqliteStore]:
    async with open_store() as store:
        yield store


def _writer(store: SqliteStore) -> sqlite3.Connection:
    connection: Any = store._writer._session
    return connection._connection


def _traced(store: SqliteStore) -> list[str]:
    statements: list[str] = []
    _writer(store).set_trace_callback(statements.append)
    return statements


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


# Group commit


async def test_writes_of_many_tasks_share_a_commit(store: SqliteStore) -> None:
    statements = _traced(store)
    await asyncio.gather(*(store.append(("log", str(n)), [b"x"]) for n in range(200)))
    # The writer may start on the first ones before the last ones are queued.
    assert 1 <= statements.count("COMMIT") <= 20


async def test_a_serial_append_is_four_statements(store: SqliteStore) -> None:
    await store.append(LOG, [b"first"])
    statements = _traced(store)
    await store.append(LOG, [b"second"])
    kinds = [statement.split()[0] for statement in statements]
    assert kinds == ["BEGIN", "PRAGMA", "INSERT", "COMMIT"]


async def test_the_counter_is_written_once_a_transaction(store: SqliteStore) -> None:
    await store.put(KEY, b"", expected=ANY)
    statements = _traced(store)
    await store.batch([Put(key=("p", str(n)), value=b"", expected=ABSENT) for n in range(10)])
    assert sum("counter" in statement for statement in statements) == 1


@pytest.mark.parametrize(("ack", "level"), [("disk", 2), ("os", 1), ("memory", 0)])
async def test_the_acknowledgement_asked_for_sets_the_sync_level(
    path: Path, ack: Any, level: int
) -> None:
    async with SqliteStore(path, clock=ManualClock(), ack=ack) as store:
        assert _writer(store).execute("PRAGMA synchronous").fetchone() == (level,)
        assert _writer(store).execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_the_guilty_write_of_a_group_fails_alone(store: SqliteStore) -> None:
    wrong: Any = "text where bytes belong"
    writes = [store.append(("log", str(n)), [wrong if n == 25 else b"x"]) for n in range(50)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(results.pop(25), StorageError)
    assert results == [1] * 49
    assert list(await store.read(("log", "25"))) == []
    assert await store.append(("log", "25"), [b"x"], expected=ABSENT) == 1


async def test_a_batch_that_breaks_in_the_middle_leaves_nothing(store: SqliteStore) -> None:
    wrong: Any = "text where bytes belong"
    with pytest.raises(StorageError):
        await store.batch(
            [
                Append(log=LOG, entries=[b"x"]),
                Put(key=("a",), value=b"", expected=ABSENT),
                Put(key=("b",), value=wrong, expected=ABSENT),
            ]
        )
    assert list(await store.read(LOG)) == []
    assert list(await store.scan(())) == []
    assert await store.append(LOG, [b"x"], expected=ABSENT) == 1


async def test_a_full_disk_fails_what_does_not_fit_and_nothing_else(store: SqliteStore) -> None:
    await store.append(LOG, [b"x"])
    pages = _writer(store).execute("PRAGMA page_count").fetchone()[0]
    _writer(store).execute(f"PRAGMA max_page_count = {pages + 4}")
    large = bytes(1_000_000)
    writes = [store.append(LOG, [large if n == 3 else b"y"]) for n in range(8)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    full = results.pop(3)
    assert isinstance(full, StorageFull)
    assert str(store._path) in full.message
    assert "free some space" in full.hint
    assert results == [2, 3, 4, 5, 6, 7, 8]
    assert len(await store.read(LOG)) == 8


# Claims


async def test_a_claim_follows_the_index_and_sorts_nothing(store: SqliteStore) -> None:
    plan = _writer(store).execute("EXPLAIN QUERY PLAN " + QUERIES["find_due"], (b"jobs\x00", 5, 5))
    (step,) = plan.fetchall()
    assert "SEARCH records USING INDEX due_records (queue=? AND due_at<?)" in step


async def test_only_records_that_wait_have_a_place_in_the_queue(store: SqliteStore) -> None:
    await store.put(("jobs", "a"), b"", expected=ABSENT)
    await store.put(("jobs", "b"), b"", expected=ABSENT, due_at=0)
    await store.put(("jobs", "b"), b"", expected=ANY)
    rows = _writer(store).execute("SELECT due_at, queue FROM records").fetchall()
    assert rows == [(None, None), (None, None)]


async def test_a_claim_of_nothing_changes_no_page(store: SqliteStore) -> None:
    assert await store.claim(("jobs",), until=5) is None
    statements = _traced(store)
    assert await store.claim(("jobs",), until=5) is None
    assert [each.split()[0] for each in statements] == ["BEGIN", "PRAGMA", "SELECT", "COMMIT"]


# The two lanes


async def test_reads_do_not_wait_for_a_writer(store: SqliteStore, path: Path) -> None:
    await store.put(KEY, b"before", expected=ANY)
    with _locked(path):
        write = asyncio.ensure_future(store.put(KEY, b"after", expected=ANY))
        record = await store.get(KEY)
        assert record is not None
        assert record.value == b"before"
        assert not write.done()
    await write
    record = await store.get(KEY)
    assert record is not None
    assert record.value == b"after"


async def test_a_lock_held_too_long_is_unavailable(
    open_store: Callable[[], SqliteStore], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_errors, "BUSY_SECONDS", 0)
    async with open_store() as store:
        with _locked(path):
            writes = [store.append(LOG, [b"x"]) for _ in range(5)]
            results = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(result) for result in results] == [StorageUnavailable] * 5
        assert len({id(result) for result in results}) == 5
        assert await store.append(LOG, [b"x"]) == 1


def test_a_caller_whose_loop_is_gone_takes_nobody_along(
    open_store: Callable[[], SqliteStore],
) -> None:
    async def leave(store: SqliteStore) -> None:
        task = asyncio.ensure_future(store.append(LOG, [b"left behind"]))
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.gather(task, return_exceptions=True)

    with asyncio.Runner() as keeper:
        store = keeper.run(open_store().__aenter__())
        with asyncio.Runner() as visitor:
            visitor.run(leave(store))
        assert keeper.run(store.append(LOG, [b"mine"])) == 2
        keeper.run(store.__aexit__(None, None, None))


async def test_loops_in_two_threads_get_their_own_answers_from_one_group(
    store: SqliteStore, path: Path
) -> None:
    queued = threading.Event()

    async def append(name: str) -> list[object]:
        writes = [asyncio.ensure_future(store.append((name,), [b"x"])) for _ in range(20)]
        asyncio.get_running_loop().call_soon(queued.set)
        async with asyncio.timeout(5):
            return list(await asyncio.gather(*writes))

    # While the file is locked, the writer holds the first write and all others queue up.
    with _locked(path):
        here = asyncio.ensure_future(append("here"))
        there = asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(append("b")))
        await asyncio.get_running_loop().run_in_executor(None, queued.wait, 5)
    assert await there == await here == list(range(1, 21))


async def test_closing_serves_what_is_queued_together_with_the_request_to_stop(
    open_store: Callable[[], SqliteStore], path: Path
) -> None:
    store = await open_store().__aenter__()
    # While the file is locked, the writer holds the first write and the rest queues up behind.
    with _locked(path):
        writes = [asyncio.ensure_future(store.append(LOG, [b"x"])) for _ in range(3)]
        await asyncio.sleep(0)
        stopped = store._writer._stop()
    assert stopped is not None
    async with asyncio.timeout(5):
        assert await asyncio.gather(*writes) == [1, 2, 3]
        await stopped
    await store.__aexit__(None, None, None)


async def test_opening_that_is_cancelled_leaves_the_file_usable(
    open_store: Callable[[], SqliteStore],
) -> None:
    task = asyncio.ensure_future(open_store().__aenter__())
    asyncio.get_running_loop().call_soon(task.cancel)
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    async with open_store() as store:
        assert await store.append(LOG, [b"x"]) == 1


# Other processes

_COUNTER_PROGRAM = """
import asyncio, sys
from holdfast.clock import SystemClock
from holdfast.storage.sqlite import SqliteStore

async def increment(store, times):
    while times:
        record = await store.get(("n",))
        value, version = (int(record.value), record.version) if record else (0, 0)
        if isinstance(await store.put(("n",), b"%d" % (value + 1), expected=version), int):
            await store.append(("log",), [b"x"])
            times -= 1

async def main():
    async with SqliteStore(sys.argv[1], clock=SystemClock(), ack="os") as store:
        await asyncio.gather(*(increment(store, 25) for _ in range(4)))

asyncio.run(main())
"""


def _run_counters(path: Path, *, processes: int) -> list[int]:
    command = [sys.executable, "-c", _COUNTER_PROGRAM, path]
    running = [subprocess.Popen(command) for _ in range(processes)]
    return [process.wait(timeout=60) for process in running]


async def test_two_processes_lose_no_increment_and_leave_no_gap(path: Path) -> None:
    assert _run_counters(path, processes=2) == [0, 0]
    async with SqliteStore(path, clock=ManualClock()) as store:
        record = await store.get(("n",))
        assert record is not None
        assert record.value == b"200"
        entries = await store.read(("log",))
        assert [entry.number for entry in entries] == list(range(1, 201))


async def test_what_another_process_wrote_is_seen_by_reads_and_writes(
    open_store: Callable[[], SqliteStore],
) -> None:
    async with open_store() as one, open_store() as two:
        first = await one.put(KEY, b"one", expected=ABSENT)
        second = await two.put(KEY, b"two", expected=first)
        third = await one.put(KEY, b"three", expected=second)
        assert first < second < third
        assert await one.append(LOG, [b"a"]) == 1
        assert await two.append(LOG, [b"b"]) == 2
        assert await one.append(LOG, [b"c"], expected=2) == 3
        assert [entry.value for entry in await two.read(LOG)] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("_round", range(5))
async def test_a_new_file_is_opened_by_many_at_once(
    open_store: Callable[[], SqliteStore], _round: int
) -> None:
    stores = [open_store() for _ in range(8)]
    await asyncio.gather(*(store.__aenter__() for store in stores))
    numbers = await asyncio.gather(*(store.append(LOG, [b"x"]) for store in stores))
    assert sorted(map(int, numbers)) == list(range(1, 9))
    await asyncio.gather(*(store.__aexit__(None, None, None) for store in stores))


class _Pause:
    """Stands for the event on which the opening waits between two tries."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action

    def wait(self, _seconds: float) -> None:
        self._action()


async def test_opening_waits_for_a_process_that_is_creating_the_file(
    open_store: Callable[[], SqliteStore], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    tries: list[str] = []

    def release() -> None:
        tries.append("refused")
        other.execute("ROLLBACK")

    monkeypatch.setattr(wal, "threading", SimpleNamespace(Event=lambda: _Pause(release)))
    async with open_store() as store:
        assert await store.append(LOG, [b"x"]) == 1
    other.close()
    assert tries == ["refused"]


async def test_a_submitted_batch_is_written_though_nobody_waits(
    open_store: Callable[[], SqliteStore],
) -> None:
    async with open_store() as store:
        store.submit([Append(log=LOG, entries=[b"1"], expected=0)]).cancel()
        refused = await store.submit([Append(log=LOG, entries=[b"2"], expected=0)])
        await store.submit([Append(log=LOG, entries=[b"2", b"3"], expected=1)])
    assert refused == Conflict(1)
    async with open_store() as store:
        assert [entry.value for entry in await store.read(LOG)] == [b"1", b"2", b"3"]


async def test_many_entries_of_one_group_keep_their_numbers(store: SqliteStore) -> None:
    logs = [("log", str(index)) for index in range(7)]
    entries = [str(index).encode() for index in range(61)]
    await asyncio.gather(*(store.append(log, entries) for log in logs))
    for log in logs:
        assert [(e.number, e.value) for e in await store.read(log)] == list(enumerate(entries, 1))
