"""What is exported from one store is the same in any other one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import StorageError, UsageError
from holdfast.storage.files import FilesStore
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ABSENT, Conflict, Key, Store
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.transfer import Imported, export_store, import_file
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.samples import HOSTILE_KEYS, HOSTILE_VALUES
from holdfast.testing.stores import UnbatchedStore
from tests.storage.files_damage import fill_mixed, mend, rewrite_lines, state_of_store
from tests.storage.files_help import segment, store_at

Content = dict[str, Any]

_KEYS = st.sampled_from(HOSTILE_KEYS) | st.lists(st.text("ab\0\n/é\U0001f600"), min_size=1).map(
    tuple
)
_VALUES = (
    st.binary(max_size=20) | st.text(max_size=20).map(str.encode) | st.sampled_from(HOSTILE_VALUES)
)
_TIMES = st.none() | st.integers(2**41, 2**42)
_RECORDS = st.dictionaries(_KEYS, st.tuples(_VALUES, _TIMES, _TIMES), max_size=8)
_LOGS = st.dictionaries(_KEYS, st.lists(_VALUES, min_size=1, max_size=4), max_size=4)


def memory() -> Store:
    return MemoryStore(clock=ManualClock())


async def write(
    store: Store,
    records: dict[Key, tuple[bytes, int | None, int | None]],
    logs: dict[Key, list[bytes]],
) -> None:
    for key, (value, expires, due) in records.items():
        written = await store.put(key, value, expected=ABSENT, expires_at=expires, due_at=due)
        assert not isinstance(written, Conflict)
    for log, entries in logs.items():
        await store.append(log, entries)


async def content_of(store: Store) -> tuple[object, object]:
    """Return everything but the versions."""
    state = await state_of_store(store)
    records = {key: (value, *times) for key, (value, _, *times) in state.records.items()}
    return records, state.logs


async def export(store: Store, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        await export_store(store, file.write)


async def exported(path: Path, count: int = 3) -> Path:
    """Return the export of a small store."""
    async with memory() as store:
        for number in range(count):
            await store.put(("k", str(number)), b"%d" % number, expected=ABSENT)
            await store.append(("log",), [b"entry %d" % number])
        await export(store, path)
    return path


@given(_RECORDS, _LOGS)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_content_comes_back(
    tmp_path: Path,
    records: dict[Key, tuple[bytes, int | None, int | None]],
    logs: dict[Key, list[bytes]],
) -> None:
    async def carry() -> None:
        async with memory() as store, memory() as other:
            await write(store, records, logs)
            await export(store, tmp_path / "export")
            done = await import_file(other, tmp_path / "export")
            assert done.records == len(records)
            assert done.entries == sum(map(len, logs.values()))
            assert await content_of(other) == await content_of(store)

    asyncio.run(carry())


@pytest.mark.parametrize("source", ["memory", "files", "sqlite"])
@pytest.mark.parametrize("target", ["memory", "files", "sqlite"])
async def test_a_store_of_any_kind_goes_into_one_of_any_other(
    tmp_path: Path, source: str, target: str
) -> None:
    clock = ManualClock()

    def make(kind: str, name: str) -> Store:
        if kind == "memory":
            return MemoryStore(clock=clock)
        if kind == "files":
            return FilesStore(tmp_path / name, clock=clock, ack="os")
        return SqliteStore(tmp_path / name, clock=clock, ack="os")

    records = {("r", f"{number:04}"): (b"\xff%d" % number, None, number) for number in range(250)}
    logs = {("l", str(number)): [b"%d" % each for each in range(number)] for number in (1, 250, 99)}
    async with make(source, "source") as store:
        await write(store, records, logs)
        before = await content_of(store)
        await export(store, tmp_path / "export")
    async with make(target, "target") as store:
        await import_file(store, tmp_path / "export")
        assert await content_of(store) == before
        await export(store, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "export").read_bytes()


async def test_the_lines_are_plain_json_that_anybody_can_read(tmp_path: Path) -> None:
    async with memory() as store:
        await store.put(("k", "é"), b"text\n", expected=ABSENT, due_at=7)
        await store.append(("log",), [b"\xff", b"b"])
        await export(store, tmp_path / "export")
    lines = [json.loads(line) for line in (tmp_path / "export").read_text().splitlines()]
    assert lines[0] == {"format": "holdfast export", "version": 1}
    assert lines[1] == {"key": ["k", "é"], "value": "text\n", "due_at": 7}
    assert lines[2] == {"log": ["log"], "first": 1, "entries": [{"base64": "/w=="}, "b"]}
    assert lines[3]["end"] == {**lines[3]["end"], "records": 1, "logs": 1, "entries": 2}
    assert len(lines) == 4


async def test_a_store_that_holds_something_is_refused(tmp_path: Path) -> None:
    path = await exported(tmp_path / "export")
    for fill in ("record", "log"):
        async with memory() as store:
            if fill == "record":
                await store.put(("mine",), b"", expected=ABSENT)
            else:
                await store.append(("mine",), [b""])
            with pytest.raises(UsageError, match="not empty") as caught:
                await import_file(store, path)
            assert "--into-existing" in caught.value.hint
            assert len(await store.scan(())) + len(await store.logs(())) == 1  # type: ignore[attr-defined]


async def test_what_is_there_stays_and_what_differs_is_named(tmp_path: Path) -> None:
    path = await exported(tmp_path / "export")
    async with memory() as store:
        await store.put(("k", "0"), b"0", expected=ABSENT)
        await store.put(("k", "1"), b"mine", expected=ABSENT)
        await store.append(("log",), [b"mine"])
        done = await import_file(store, path, into_existing=True)
        assert done == Imported(
            records=1,
            entries=0,
            same=1,
            refused_records=[("k", "1")],
            refused_logs=[("log",)],
        )
        record = await store.get(("k", "1"))
        assert record is not None
        assert record.value == b"mine"
        assert len(await store.read(("log",))) == 1


async def test_an_import_that_was_interrupted_is_gone_on_with(tmp_path: Path) -> None:
    path = await exported(tmp_path / "export", count=230)
    async with memory() as store, memory() as whole:
        await import_file(whole, path)
        for number in range(0, 230, 2):
            await store.put(("k", str(number)), b"%d" % number, expected=ABSENT)
        await store.append(("log",), [b"entry %d" % number for number in range(130)])
        done = await import_file(store, path, into_existing=True)
        assert (done.records, done.entries, done.same) == (115, 100, 245)
        assert done.refused_records == done.refused_logs == []
        assert await content_of(store) == await content_of(whole)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: lines[:-1], "not a whole export"),
        (lambda lines: [*lines[:2], *lines[3:]], "not a whole export"),
        (lambda lines: [*lines[:2], lines[2].replace("1", "9"), *lines[3:]], "not a whole export"),
        (lambda lines: [*lines, lines[1]], "not a whole export"),
        (lambda lines: lines[1:], "not an export"),
        (lambda lines: ['{"format":"holdfast export","version":2}', *lines[1:]], "not an export"),
        (lambda lines: [lines[0], "{", *lines[1:]], "line 2: is not JSON"),
        (lambda lines: [lines[0], "[]", *lines[1:]], "line 2: is not a JSON object"),
        (lambda lines: [lines[0], '{"key":[7],"value":""}', *lines[1:]], "line 2: makes no sense"),
        (lambda lines: [lines[0], '{"key":["a"]}', *lines[1:]], "line 2: makes no sense"),
        (
            lambda lines: [lines[0], '{"key":["a"],"value":{"base64":"="}}', *lines[1:]],
            "line 2: makes no sense",
        ),
        (lambda lines: [lines[0], '{"key":["a"],"value":"","due_at":"x"}'], "line 2: makes no"),
        (lambda lines: [], "not a whole export"),
    ],
)
async def test_a_damaged_export_is_refused_before_anything_is_written(
    tmp_path: Path, spoil: Any, said: str
) -> None:
    path = await exported(tmp_path / "export")
    lines: Sequence[str] = spoil(path.read_text().splitlines())
    path.write_text("".join(line + "\n" for line in lines))
    async with memory() as store:
        with pytest.raises(UsageError, match=said):
            await import_file(store, path)
        assert await content_of(store) == ({}, {})


async def test_a_value_that_the_store_cannot_hold_is_told_before_anything_is_written(
    tmp_path: Path,
) -> None:
    path = await exported(tmp_path / "export")

    class Narrow(UnbatchedStore):
        max_value_bytes = 5

    async with Narrow(memory()) as store:
        with pytest.raises(UsageError, match="holds a value of 7 bytes; the store takes 5"):
            await import_file(store, path)
        assert await store.scan(()) == []


async def test_a_store_that_cannot_name_its_logs_cannot_be_exported() -> None:
    async with UnbatchedStore(memory()) as store:
        with pytest.raises(UsageError, match="cannot name its logs"):
            await export_store(store, lambda _: None)


async def test_entries_that_are_missing_are_not_closed_up(tmp_path: Path) -> None:
    store = tmp_path / "store"
    await fill_mixed(store, 6)
    wanted = next(
        at for at, each in enumerate(segment(store).read_bytes().splitlines()) if b"entry 2" in each
    )
    rewrite_lines(segment(store), lambda lines: [*lines[:wanted], b"?\n", *lines[wanted + 1 :]])
    mend(store)
    async with store_at(store) as damaged:
        await export(damaged, tmp_path / "export")
    async with memory() as other:
        with pytest.raises(StorageError, match="missing in the middle"):
            await import_file(other, tmp_path / "export")
        assert [each.number for each in await other.read(("log", "a"))] == [1, 2]
        done = await import_file(other, tmp_path / "export", into_existing=True)
        assert done.refused_logs == [("log", "a")]


@pytest.mark.parametrize("kind", ["memory", "files", "sqlite"])
async def test_a_log_that_was_begun_again_keeps_its_numbers(kind: str, tmp_path: Path) -> None:
    clock = ManualClock()
    async with memory() as store:
        assert isinstance(store, MemoryStore)
        await store.append(("log",), [b"gone"] * 2500)
        await store.erase(("log",), expected=2500)
        await store.append(("log",), [b"a", b"b"])
        await store.append(("erased",), [b"x"])
        await store.erase(("erased",), expected=1)
        await export(store, tmp_path / "export")
        before = await content_of(store)
    stores: dict[str, Store] = {
        "memory": memory(),
        "files": FilesStore(tmp_path / "files", clock=clock, ack="os"),
        "sqlite": SqliteStore(tmp_path / "store.db", clock=clock, ack="os"),
    }
    async with stores[kind] as other:
        imported = await import_file(other, tmp_path / "export")
        assert (imported.entries, imported.refused_logs) == (2, [])
        assert await content_of(other) == before
        again = await import_file(other, tmp_path / "export", into_existing=True)
        assert (again.entries, again.same, again.refused_logs) == (0, 2, [])


async def test_a_log_that_was_begun_again_is_refused_where_numbers_cannot_be_kept(
    tmp_path: Path,
) -> None:
    async with memory() as store:
        assert isinstance(store, MemoryStore)
        await store.append(("log",), [b"gone"])
        await store.erase(("log",), expected=1)
        await store.append(("log",), [b"a"])
        await export(store, tmp_path / "export")
    async with UnbatchedStore(memory()) as other:
        with pytest.raises(StorageError):
            await import_file(other, tmp_path / "export")
    async with memory() as other:
        assert isinstance(other, MemoryStore)
        await other.append(("log",), [b"other"] * 3)
        await other.erase(("log",), expected=3)
        imported = await import_file(other, tmp_path / "export", into_existing=True)
        assert imported.refused_logs == [("log",)]
        assert list(await other.read(("log",))) == []
