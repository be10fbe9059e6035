"""Small stores to damage, and what is left of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from holdfast.storage.files.disk import SystemDisk
from holdfast.storage.files.indexer import compress_sealed
from holdfast.storage.files.lines import Line, line_hash, read_line, write_line
from holdfast.storage.files.upkeep.repair import repair
from holdfast.storage.files.upkeep.verify import verify
from holdfast.storage.maintenance import Repaired, Report
from holdfast.storage.seam import ABSENT, ANY, Conflict, Store
from holdfast.testing.clock import ManualClock
from tests.storage.files_help import store_at

NOW = ManualClock().now_ms()
LOGS = (("log", "a"), ("log", "b"))
ERASED = ("log", "c")
"""It is erased and begun again."""


class State(NamedTuple):
    """All that a small store holds."""

    records: dict[tuple[str, ...], tuple[bytes, int, int | None, int | None]]
    logs: dict[tuple[str, ...], dict[int, bytes]]


async def state_of(path: Path) -> State:
    """Return everything that is in a files store."""
    async with store_at(path) as store:
        return await state_of_store(store)


async def state_of_store(store: Store) -> State:
    """Return everything that is in a store."""
    records = await store.scan((), limit=10_000)
    names = await store.logs((), limit=1000)  # type: ignore[attr-defined]
    logs = {name: {e.number: e.value for e in await store.read(name)} for name in names}
    return State({r.key: (r.value, r.version, r.expires_at, r.due_at) for r in records}, logs)


async def fill_mixed(path: Path, count: int, *, begin: int = 0) -> None:
    """Write records of every kind, deletes, two logs, and one that is erased, a line each."""
    async with store_at(path, ack="disk") as store:
        for number in range(begin, begin + count):
            key = ("r", f"é{number}")
            due = 50 + number if number % 3 == 0 else None
            value = f"value {number} \u2028\n".encode() + (b"\xff\x00" if number % 4 == 0 else b"")
            version = await store.put(key, value, expected=ABSENT, due_at=due)
            assert not isinstance(version, Conflict)
            await store.append(LOGS[number % 2], [f"entry {number}".encode(), b"\x80"])
            last = await store.append(ERASED, [f"turn {number}".encode()])
            assert last == number + 1
            if number % 4 == 3:
                assert await store.erase(ERASED, expected=last) is None
            if number % 5 == 4:
                assert await store.delete(key, expected=version) is None
            if number % 5 == 3:
                assert isinstance(await store.put(key, b"again", expected=version), int)


def compress_all(path: Path, *, before: int = 1 << 30) -> None:
    """Compress the sealed segments below a number."""
    numbers = [int(each.name[:8]) for each in (path / "journal").glob("*.jsonl*")]
    compress_sealed(SystemDisk(), path / "journal", before=min(before, max(numbers)))


def journal_files(path: Path) -> list[Path]:
    """Return the files that hold lines, in their order."""
    return sorted(each for each in (path / "journal").iterdir() if ".jsonl" in each.name)


def all_bytes(path: Path) -> dict[str, bytes]:
    """Return the content of every file of a store."""
    files = (each for each in path.rglob("*") if each.is_file())
    return {str(each.relative_to(path)): each.read_bytes() for each in files}


def check(path: Path, *, thorough: bool = True) -> Report:
    """Verify a store."""
    return verify(path, now=NOW, thorough=thorough)


def mend(path: Path, *, dry_run: bool = False) -> Repaired:
    """Repair a store."""
    return repair(path, clock=ManualClock(), dry_run=dry_run)


def remedies(report: Report) -> list[str]:
    """Return what would be done about each finding."""
    return [finding.remedy for finding in report.findings]


def change(path: Path, how: Callable[[bytearray], object]) -> None:
    """Change a file in place."""
    data = bytearray(path.read_bytes())
    how(data)
    path.write_bytes(data)


def rewrite_lines(file: Path, how: Callable[[list[bytes]], Collection[bytes]]) -> None:
    """Change a segment line by line, without their newlines."""
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(how(lines)))


def altered(data: bytes, old: str, new: str) -> tuple[bytes, Line]:
    """Return a line that says something else, with a right checksum, and what it was."""
    line = read_line(data)
    text = data.decode()
    operations = text[text.index('"o":[') + 5 : -len('],"c":"01234567"}\n')]
    assert old in operations
    new_data, _ = write_line(
        line.number,
        operations.replace(old, new),
        synced=line.synced,
        version=line.version,
        written_at=line.written_at,
        previous=line.previous,
    )
    return new_data, line


def rechain(lines: list[bytes], first: int) -> list[bytes]:
    """Return the lines with those from a place on chained anew, as a faulty writer would."""
    result = list(lines[:first])
    for data in lines[first:]:
        line = read_line(data)
        text = data.decode()
        operations = text[text.index('"o":[') + 5 : -len('],"c":"01234567"}\n')]
        new_data, _ = write_line(
            line.number,
            operations,
            synced=line.synced,
            version=line.version,
            written_at=line.written_at,
            previous=line_hash(result[-1]),
        )
        result.append(new_data)
    return result


async def write_on(path: Path) -> None:
    """Show that a store takes writes."""
    async with store_at(path) as store:
        assert isinstance(await store.put(("new",), b"new", expected=ANY), int)
        assert isinstance(await store.append(("log", "new"), [b"new"]), int)


def is_part_of(found: State, whole: State) -> bool:
    """Return whether a state holds nothing that another one does not hold too, as it is there."""
    records = all(whole.records.get(key) == value for key, value in found.records.items())
    return records and all(
        entries.items() <= whole.logs.get(name, {}).items() for name, entries in found.logs.items()
    )


def overwrite(data: bytearray, old: bytes, new: bytes) -> None:
    """Write over the first place of some bytes."""
    at = data.index(old)
    data[at : at + len(new)] = new
