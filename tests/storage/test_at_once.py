"""A files store that is served at once keeps the contract, and does without an event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.errors import StorageUnavailable, UsageError
from holdfast.storage.at_once import drive
from holdfast.storage.files import FilesStore
from holdfast.storage.files.disk import SystemDisk
from holdfast.storage.opening import open_store
from holdfast.storage.seam import ABSENT, ANY, Append, Conflict, Put
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import (
    BatchContract,
    ClaimContract,
    ListingContract,
    OpenAgain,
    StoreContract,
)

KEY = ("a", "b")


class TestContract(StoreContract, BatchContract, ClaimContract, ListingContract):
    """All that every store promises."""

    @pytest.fixture
    def open_again(self, clock: ManualClock, tmp_path: Path) -> OpenAgain:
        return lambda: FilesStore(tmp_path / "store", clock=clock, ack="os", at_once=True)


async def work(place: str) -> tuple[object, ...]:
    async with open_store(place, clock=SystemClock(), at_once=True) as store:
        version = await store.put(KEY, b"one", expected=ABSENT)
        refused = await store.put(KEY, b"two", expected=ABSENT)
        assert isinstance(store, FilesStore)
        batch = [Put(key=("c",), value=b"", expected=ANY), Append(log=("l",), entries=[b"x"])]
        assert await store.batch(batch) is None
        found = [record.value for record in await store.scan(())]
        return version, refused, found, [entry.value for entry in await store.read(("l",))]


def test_its_coroutines_end_without_an_event_loop(tmp_path: Path) -> None:
    version, refused, found, entries = drive(work(f"files:{tmp_path}"))
    assert refused == Conflict(int(str(version)))
    assert (found, entries) == ([b"one", b""], [b"x"])


def test_what_it_wrote_is_there_for_a_store_with_an_event_loop(tmp_path: Path) -> None:
    drive(work(f"files:{tmp_path}"))

    async def look() -> bytes | None:
        async with open_store(f"files:{tmp_path}", clock=SystemClock()) as store:
            record = await store.get(KEY)
            return record and record.value

    assert asyncio.run(look()) == b"one"


def test_asyncio_is_not_even_loaded(tmp_path: Path) -> None:
    program = f"""
import sys
from holdfast.cli.main import main
assert main(["task", "create", "a", "--store", "files:{tmp_path}"]) == 0
assert main(["task", "list", "--store", "files:{tmp_path}"]) == 0
assert main(["task", "search", "a", "--store", "files:{tmp_path}"]) == 0
dear = {{"asyncio", "dataclasses", "inspect", "logging"}} & set(sys.modules)
assert not dear, dear
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_waiting_for_anything_else_is_an_error() -> None:
    async def wait() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="event loop"):
        drive(wait())


def test_closed_it_refuses_and_it_promises_nothing_for_later(tmp_path: Path) -> None:
    store = FilesStore(tmp_path, clock=SystemClock(), at_once=True)
    with pytest.raises(StorageUnavailable):
        drive(store.put(KEY, b"", expected=ANY))
    with pytest.raises(UsageError):
        store.submit([Put(key=KEY, value=b"", expected=ANY)])


class CountingDisk(SystemDisk):
    """The disk, with a count of what was made durable."""

    syncs = 0

    def sync(self, handle: int) -> None:
        super().sync(handle)
        self.syncs += 1


@pytest.mark.promise("power-cut-loses-nothing")
def test_what_was_read_is_durable_when_it_is_closed_and_what_was_written_at_once(
    tmp_path: Path,
) -> None:
    async def leave_doubtful() -> None:
        async with FilesStore(tmp_path, clock=SystemClock(), ack="os") as store:
            await store.put(KEY, b"one", expected=ANY)

    async def look(disk: CountingDisk) -> int:
        async with FilesStore(tmp_path, clock=SystemClock(), disk=disk, at_once=True) as store:
            record = await store.get(KEY)
            assert record is not None
            return disk.syncs

    async def write(disk: CountingDisk) -> int:
        async with FilesStore(tmp_path, clock=SystemClock(), disk=disk, at_once=True) as store:
            await store.put(KEY, b"two", expected=ANY)
            return disk.syncs

    asyncio.run(leave_doubtful())
    looking, writing = CountingDisk(), CountingDisk()
    assert drive(look(looking)) == 0
    assert looking.syncs == 1
    assert drive(write(writing)) == 1
    assert writing.syncs == 1
