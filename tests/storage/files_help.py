"""What the tests of the files backend share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.storage.files import FilesStore
from holdfast.storage.files.disk import SystemDisk
from holdfast.storage.seam import ANY
from holdfast.testing.clock import ManualClock

LOG = ("log",)


def store_at(path: Path, **options: Any) -> FilesStore:
    """Return a store that syncs nothing, on a clock that stands still."""
    options.setdefault("ack", "os")
    options.setdefault("clock", ManualClock())
    return FilesStore(path, **options)


async def fill(path: Path, count: int, **options: Any) -> None:
    """Write so many records and entries, one line each, and close the store."""
    async with store_at(path, **options) as store:
        for number in range(count):
            await store.put(("k", str(number)), f"value {number}".encode(), expected=ANY)
            await store.append(LOG, [f"entry {number}".encode()])


async def content(path: Path, **options: Any) -> tuple[dict[str, bytes], list[bytes]]:
    """Return the records below `k` by their last part, and the entries of the log."""
    async with store_at(path, **options) as store:
        records = await store.scan(("k",), limit=10_000)
        entries = await store.read(LOG)
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
        return {record.key[1]: record.value for record in records}, [e.value for e in entries]


def segment(path: Path, number: int = 1) -> Path:
    """Return the file of a segment that is not compressed."""
    return path / "journal" / f"{number:08d}.jsonl"


def lines_of(path: Path, number: int = 1) -> list[dict[str, Any]]:
    """Return the lines of a segment as JSON."""
    data = segment(path, number).read_bytes().rstrip(b"\0")
    return [json.loads(line) for line in data.splitlines()]


def drop_index(path: Path) -> None:
    """Delete the index, which nobody needs."""
    for each in path.glob("index.db*"):
        each.unlink()


def open_handles() -> int:
    """Return how many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


class MeddlingDisk(SystemDisk):
    """The real disk, with a hook in front of chosen calls."""

    def __init__(self) -> None:
        self.before: dict[str, Callable[..., None]] = {}
        self.calls: list[str] = []

    def sync(self, handle: int) -> None:
        self._note("sync", handle)
        super().sync(handle)

    def write(self, handle: int, data: bytes, offset: int) -> int:
        self._note("write", data)
        if "short" in self.before and len(data) > 1:
            data = data[: len(data) // 2]
        return super().write(handle, data, offset)

    def allocate(self, handle: int, size: int) -> None:
        self._note("allocate", size)
        super().allocate(handle, size)

    def sync_folder(self, path: Path) -> None:
        self._note("sync_folder", path)
        super().sync_folder(path)

    def lock(self, handle: int) -> None:
        self._note("lock", handle)
        super().lock(handle)

    def try_lock(self, handle: int) -> bool:
        self._note("lock", handle)
        return super().try_lock(handle)

    def unlock(self, handle: int) -> None:
        self._note("unlock", handle)
        super().unlock(handle)

    def _note(self, call: str, argument: object) -> None:
        self.calls.append(call)
        if call in self.before:
            self.before[call](argument)
