"""Carry the content of any store into any other one, as lines of JSON.

The first line names the format, the last one counts what is between them and has its BLAKE2b digest.
A record is `{"key": […], "value": …}` with `expires_at` and `due_at` where they are set, a piece of
a log `{"log": […], "first": 1, "entries": […]}`; a log that was erased before begins behind 1. A value is a string if its bytes are UTF-8, else
`{"base64": "…"}`. Versions are not carried over: the other store gives its own.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from holdfast.errors import StorageError, UsageError
from holdfast.storage.keys import encode_key
from holdfast.storage.paging import every_log, every_record
from holdfast.storage.seam import ABSENT, Append, Conflict, Erasing, Key, Listing, Put, Store

FORMAT = "holdfast export"
VERSION = 1
_PAGE = 100
_AT_ONCE = 100
_FILLED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much an export holds."""

    records: int = 0
    logs: int = 0
    entries: int = 0


@dataclass(slots=True, kw_only=True)
class Imported:
    """What an import did: what it wrote, what was there already, and what it was refused."""

    records: int = 0
    entries: int = 0
    same: int = 0
    refused_records: list[Key] = field(default_factory=list[Key])
    refused_logs: list[Key] = field(default_factory=list[Key])


async def export_store(store: Store, write: Callable[[str], object]) -> Counts:
    """Write all records and logs as lines of JSON.

    What others write meanwhile may be in it or not.

    Raises:
        UsageError: the store cannot list its logs.
    """
    if not isinstance(store, Listing):
        raise UsageError("this store cannot name its logs, so it cannot be exported")
    digest = blake2b(digest_size=16)
    counts = {"records": 0, "logs": 0, "entries": 0}

    def put(document: dict[str, object]) -> None:
        line = json.dumps(document, separators=(",", ":")) + "\n"
        digest.update(line.encode())
        write(line)

    put({"format": FORMAT, "version": VERSION})
    async for document in _records(store):
        put(document)
        counts["records"] += 1
    async for log in every_log(store, ()):
        counts["logs"] += 1
        async for document, size in _pieces(store, log):
            put(document)
            counts["entries"] += size
    put({"end": {**counts, "digest": digest.hexdigest()}})
    return Counts(**counts)


async def import_file(store: Store, path: Path, *, into_existing: bool = False) -> Imported:
    """Write what an export holds into an empty store; nothing, if the export is damaged.

    With `into_existing` the store may hold something: that stays, and what differs is refused.

    Raises:
        UsageError: the file is no whole export, or the store is not empty, or cannot hold it.
        StorageError: the store refused some of it, for instance because others wrote meanwhile.
    """
    check_export(path, max_value_bytes=store.max_value_bytes)
    if not into_existing:
        await _require_empty(store)
    result = Imported()
    importing = _Importing(store, result)
    for operation in _operations(path):
        await importing.take(operation)
    await importing.flush()
    if (result.refused_records or result.refused_logs) and not into_existing:
        refused = len(result.refused_records) + len(result.refused_logs)
        raise StorageError(
            f"the store refused {refused} records and logs: somebody else wrote into it meanwhile, or "
            "entries are missing in the middle of a log",
            hint="stop all who use it, and import again with --into-existing, which names them",
        )
    return result


def check_export(path: Path, *, max_value_bytes: int) -> Counts:
    """Read all of an export and return what it holds.

    Raises:
        UsageError: it is not whole, or holds a value that is too long for the store.
    """
    tally = _Tally(path, max_value_bytes)
    digest, before, end = blake2b(digest_size=16), b"", None
    for number, (data, document) in enumerate(_documents(path), 1):
        if number == 1 and (document.get("format"), document.get("version")) != (FORMAT, VERSION):
            raise UsageError(f"{path} is not an export that this Holdfast can read")
        digest.update(before)
        before, end = data, document.get("end")
        try:
            operation = _operation(document)
        except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
            raise _bad(path, number, "makes no sense") from error
        tally.add(operation, number)
    if end != {**tally.counts, "digest": digest.hexdigest()}:
        raise UsageError(
            f"{path} is not a whole export: what it holds is not what its last line says",
            hint="export once more",
        )
    return Counts(**tally.counts)


class _Tally:
    """What the lines of an export hold so far."""

    def __init__(self, path: Path, max_value_bytes: int) -> None:
        self.counts = {"records": 0, "logs": 0, "entries": 0}
        self._path = path
        self._limit = max_value_bytes
        self._log: Key | None = None

    def add(self, operation: Put | Append | None, number: int) -> None:
        """Count one line; its values must fit into the store."""
        values: Sequence[bytes] = ()
        if isinstance(operation, Put):
            values = (operation.value,)
            self.counts["records"] += 1
        elif operation:
            values = operation.entries
            self.counts["logs"] += operation.log != self._log
            self.counts["entries"] += len(values)
            self._log = operation.log
        longest = max(map(len, values), default=0)
        if longest > self._limit:
            why = f"holds a value of {longest} bytes; the store takes {self._limit}"
            raise _bad(self._path, number, why)


class _Importing:
    """Operations on their way into a store, many at once and the pieces of a log in their order."""

    def __init__(self, store: Store, result: Imported) -> None:
        self._store = store
        self._result = result
        self._waiting: list[Put | Append] = []
        self._refused: set[Key] = set()

    async def take(self, operation: Put | Append) -> None:
        """Take one more."""
        last = self._waiting[-1] if self._waiting else None
        again = (
            isinstance(last, Append) and isinstance(operation, Append) and last.log == operation.log
        )
        if again or len(self._waiting) >= _AT_ONCE:
            await self.flush()
        self._waiting.append(operation)

    async def flush(self) -> None:
        """Write what waits."""
        await asyncio.gather(*map(self._write, self._waiting))
        self._waiting.clear()

    async def _write(self, operation: Put | Append) -> None:
        if isinstance(operation, Append):
            if operation.log not in self._refused:
                await self._append(operation)
            return
        written = await self._store.put(
            operation.key,
            operation.value,
            expected=ABSENT,
            expires_at=operation.expires_at,
            due_at=operation.due_at,
        )
        if not isinstance(written, Conflict):
            self._result.records += 1
        elif await self._is_there(operation):
            self._result.same += 1
        else:
            self._result.refused_records.append(operation.key)

    async def _is_there(self, put: Put) -> bool:
        record = await self._store.get(put.key)
        return record is not None and (record.value, record.expires_at, record.due_at) == (
            put.value,
            put.expires_at,
            put.due_at,
        )

    async def _append(self, piece: Append) -> None:
        """Append what is not there yet, if what is there is the same."""
        log, values, before = piece.log, list(piece.entries), piece.expected
        written = await self._store.append(log, values, expected=before)
        if written == Conflict(ABSENT) and await self._begin_behind(log, before):
            written = await self._store.append(log, values, expected=ABSENT)
        if isinstance(written, Conflict):
            there = await self._store.read(log, after=before, limit=len(values))
            same = [entry.value for entry in there]
            if written.current < before or same != values[: len(same)]:
                return self._refuse(log)
            self._result.same += len(same)
            values = values[len(same) :]
            last = before + len(same)
            if values and isinstance(
                await self._store.append(log, values, expected=last), Conflict
            ):
                return self._refuse(log)
        self._result.entries += len(values)
        return None

    async def _begin_behind(self, log: Key, number: int) -> bool:
        """Let an empty log go on behind a number, as it does where it was erased; tell if it does."""
        if not isinstance(self._store, Erasing):
            return False
        last = 0
        while last < number:
            filling = [b""] * min(number - last, _FILLED_AT_ONCE)
            added = await self._store.append(log, filling, expected=last)
            if isinstance(added, Conflict):
                return False  # somebody else writes to it, or it goes on behind another number
            last = added
        return await self._store.erase(log, expected=last) is None and last == number

    def _refuse(self, log: Key) -> None:
        self._refused.add(log)
        self._result.refused_logs.append(log)


async def _require_empty(store: Store) -> None:
    found = await store.scan((), limit=1)
    logs = await store.logs((), limit=1) if isinstance(store, Listing) else ()
    if found or logs:
        raise UsageError(
            "the store is not empty",
            hint="import into a new one, or add --into-existing: then what is there stays",
        )


async def _records(store: Store) -> AsyncIterator[dict[str, object]]:
    async for record in every_record(store, ()):
        document: dict[str, object] = {"key": record.key, "value": _write_value(record.value)}
        times = {"expires_at": record.expires_at, "due_at": record.due_at}
        document |= {name: time for name, time in times.items() if time is not None}
        yield document


async def _pieces(store: Store, log: Key) -> AsyncIterator[tuple[dict[str, object], int]]:
    after = 0
    while page := await store.read(log, after=after, limit=_PAGE):
        # A damaged log may lack numbers: what is behind them keeps its own.
        for _, run in groupby(enumerate(page), lambda each: each[1].number - each[0]):
            entries = [entry for _, entry in run]
            values = [_write_value(entry.value) for entry in entries]
            yield {"log": log, "first": entries[0].number, "entries": values}, len(entries)
        after = page[-1].number


def _operations(path: Path) -> Iterator[Put | Append]:
    for _, document in _documents(path):
        if operation := _operation(document):
            yield operation


def _documents(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    document: object = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise _bad(path, number, "is not JSON") from error
                if not isinstance(document, dict):
                    raise _bad(path, number, "is not a JSON object")
                yield line, cast("dict[str, Any]", document)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _operation(document: dict[str, Any]) -> Put | Append | None:
    """Return what a line of an export says; None for the first and the last one."""
    if "key" in document:
        key = _key(document["key"])
        times = {name: document.get(name) for name in ("expires_at", "due_at")}
        if not all(time is None or isinstance(time, int) for time in times.values()):
            raise ValueError("a time is a whole number")
        return Put(key=key, value=_read_value(document["value"]), expected=ABSENT, **times)
    if "log" in document:
        values = [_read_value(value) for value in document["entries"]]
        return Append(
            log=_key(document["log"]), entries=values, expected=int(document["first"]) - 1
        )
    return None


def _key(parts: object) -> Key:
    key = tuple(cast("list[str]", parts))
    encode_key(key)
    return key


def _write_value(value: bytes) -> object:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode()}


def _read_value(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else b64decode(value["base64"], validate=True)


def _bad(path: Path, number: int, why: str) -> UsageError:
    return UsageError(f"{path}, line {number}: {why}", hint="export once more")
