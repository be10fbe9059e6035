"""A disposable SQLite copy of what the journal says, so that nobody reads all of it.

The index takes over whole generations of the tail, in one transaction that also says how far it
is. It is only ever behind the journal, never ahead of what is durable, and it may be deleted at
any time: the next opening writes it anew.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, groupby
from pathlib import Path
from typing import Final, TypeAlias

from holdfast.storage.files.cursor import Position
from holdfast.storage.files.tail import Cell, Due, End, Generation, LogPart, queue_of
from holdfast.storage.queries import load_queries
from holdfast.storage.wal import switch_to_log

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
SCHEMA = 2
_APPLICATION_ID = 0x484F4C49  # the bytes `HOLI`
_BUSY_SECONDS = 10
_MOST_ROWS = 100
_ABOVE_ALL = b"\xff"
_CREATION = (
    "create_applied",
    "create_records",
    "create_expiry_index",
    "create_due_index",
    "create_logs",
    "create_entries",
    "create_entry_index",
)
_SIDE_FILES = ("", "-wal", "-shm")
_GET = QUERIES["get_record"]
_FIND_VERSION = QUERIES["find_version"]
_FIND_LOG = QUERIES["find_log"]


Row: TypeAlias = tuple[int | bytes | None, ...]


DuePlace: TypeAlias = tuple[int, bytes]
"""A place in a queue: when the record there is due, and its key."""

FIRST_DUE: Final[DuePlace] = (-(2**63), b"")


class StaleIndex(Exception):
    """The file is of no use: it is damaged, of another version, or of another journal."""


class Index:
    """One connection to the index, for one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the index, or make an empty one.

        Raises:
            StaleIndex: delete the file and begin anew.
            sqlite3.Error, OSError: the file cannot be opened.
        """
        self._connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare()
        except BaseException as error:
            self._connection.close()
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(
                error, sqlite3.OperationalError
            ):
                raise StaleIndex(str(error)) from error
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def position(self) -> Position | None:
        """Return how far the index is; None for an empty one."""
        row = self._connection.execute(QUERIES["get_applied"]).fetchone()
        if row is None:
            return None
        segment, offset, number, digest, version, is_sealed = row
        return Position(segment, offset, number, digest, version, bool(is_sealed))

    def reaches(self, number: int) -> bool:
        """Return whether the index has taken over everything up to a line.

        It may not have if its file was deleted: then others may go on with a new one.
        """
        row = self._connection.execute(QUERIES["get_number"]).fetchone()
        return number <= (row[0] if row else 0)

    def apply(self, generation: Generation, now: int) -> None:
        """Take over a generation, unless another process was faster.

        Raises:
            StaleIndex: what lies before the generation is missing here.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            applied = self.position()
            number = applied.number if applied else 0
            if number < generation.begin.number:
                raise StaleIndex("the index is a new one")
            if applied is None or number < generation.position.number:
                self._write(generation, now)
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def fill(self, generations: Iterable[Generation], now: int) -> None:
        """Take over the portions of a snapshot, all or none of them."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for generation in generations:
                self._write(generation, now)
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def find(self, key: bytes) -> tuple[int, Cell | None]:
        """Return how far the index is, and the state of a key, expired or not."""
        row = self._connection.execute(_GET, (key,)).fetchone()
        if row is None:
            return 0, None
        return row[0], None if row[1] is None else Cell(*row[1:])

    def find_version(self, key: bytes) -> Cell | None:
        """Return the state of a key without its value (an empty one stands for it)."""
        row = self._connection.execute(_FIND_VERSION, (key,)).fetchone()
        return row and Cell(b"", row[0], row[1])

    def log_end(self, log: bytes) -> End:
        """Return where a log ends."""
        row = self._connection.execute(_FIND_LOG, (log,)).fetchone()
        if row is None:
            return 0
        return -row[1] if row[1] == row[2] else row[1]

    def between(self, low: bytes, high: bytes | None, now: int, limit: int) -> dict[bytes, Cell]:
        """Return the first live records of a range."""
        bounds = low, high or _ABOVE_ALL, now, limit
        rows = self._connection.execute(QUERIES["scan_records"], bounds)
        return {row[0]: Cell(*row[1:]) for row in rows}

    def entries(self, log: bytes, after: int, limit: int | None) -> list[tuple[int, bytes]]:
        """Return the entries of a log behind a number."""
        bounds = log, after, -1 if limit is None else limit
        return self._connection.execute(QUERIES["read_entries"], bounds).fetchall()

    def log(self, log: bytes, after: int, limit: int | None) -> tuple[list[tuple[int, bytes]], int]:
        """Return the same, and up to which number the log was erased."""
        found = self.entries(log, after, limit)
        # Asked last: what was erased meanwhile is left out, whatever was found before.
        row = self._connection.execute(_FIND_LOG, (log,)).fetchone()
        erased: int = row[2] if row else 0
        return [entry for entry in found if entry[0] > erased], erased

    def erasures(self) -> Iterator[tuple[bytes, int]]:
        """Give the logs that were erased, also if they were begun again, and up to which number."""
        return iter(self._connection.execute(QUERIES["erased_logs"]).fetchall())

    def logs(self, low: bytes, high: bytes | None, limit: int) -> list[bytes]:
        """Return the first names of logs in a range."""
        bounds = low, high or _ABOVE_ALL, limit
        return [row[0] for row in self._connection.execute(QUERIES["list_logs"], bounds)]

    def due(self, queue: bytes, now: int, after: DuePlace = FIRST_DUE) -> Iterator[Due]:
        """Give the records of a queue that are due, longest first, from behind a place on."""
        rows = self._connection.execute(QUERIES["due_records"], (queue, now, *after, now))
        for due_at, key, value, version, expires_at in rows:
            yield Due(due_at, key, Cell(value, version, expires_at, due_at))

    def all_records(self) -> Iterator[tuple[bytes, Cell]]:
        """Give all records in key order, expired or not."""
        for row in self._connection.execute(QUERIES["all_records"]):
            yield row[0], Cell(*row[1:])

    def all_logs(self, portion: int) -> Iterator[tuple[bytes, int, list[bytes]]]:
        """Give all logs in portions: the name, the first number and the entries."""
        for name in [row[0] for row in self._connection.execute(QUERIES["all_logs"])]:
            after = 0
            while entries := self.entries(name, after, portion):
                # Numbers that were lost split a portion: what is behind them keeps its own.
                for _, run in groupby(enumerate(entries), lambda each: each[1][0] - each[0]):
                    found = [entry for _, entry in run]
                    yield name, found[0][0], [value for _, value in found]
                after = entries[-1][0]

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA page_size = 8192")
        switch_to_log(self._connection, busy_seconds=_BUSY_SECONDS)
        # The log is synced before it moves into the file, so that a power cut may lose the last
        # changes and never their order.
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA cache_size = -8192")
        execute("PRAGMA wal_autocheckpoint = 4000")
        if self._is_ours():
            return
        execute("BEGIN IMMEDIATE")
        if not self._is_ours():  # another process may have been faster
            for name in _CREATION:
                execute(QUERIES[name])
            execute(f"PRAGMA user_version = {SCHEMA}")
            execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        execute("COMMIT")

    def _is_ours(self) -> bool:
        execute = self._connection.execute
        # In one snapshot: another process may be creating it.
        execute("SAVEPOINT identity")
        (version,) = execute("PRAGMA user_version").fetchone()
        (application,) = execute("PRAGMA application_id").fetchone()
        execute("RELEASE identity")
        if (version, application) == (0, 0):
            return False
        if (version, application) != (SCHEMA, _APPLICATION_ID):
            raise StaleIndex("the index was written by another version")
        return True

    def _write(self, generation: Generation, now: int) -> None:
        self._write_records(generation)
        self._write_entries(generation)
        self._connection.execute(QUERIES["purge_expired"], (now,))
        place = generation.position
        self._connection.execute(QUERIES["clear_applied"])
        self._connection.execute(
            QUERIES["set_applied"],
            (
                place.segment,
                place.offset,
                place.number,
                place.hash,
                place.version,
                int(place.is_sealed),
            ),
        )

    def _write_records(self, generation: Generation) -> None:
        gone: list[Row] = []
        rows: list[Row] = []
        for key, cell in generation.records.items():
            if cell.value is None:
                gone.append((key,))
            else:
                queue = None if cell.due_at is None else queue_of(key)
                rows.append((key, cell.version, cell.expires_at, cell.due_at, queue, cell.value))
        self._connection.executemany(QUERIES["delete_record"], gone)
        self._write_rows("put_record", rows)

    def _write_entries(self, generation: Generation) -> None:
        rows: list[Row] = []
        for name, part in generation.logs.items():
            row = self._connection.execute(_FIND_LOG, (name,)).fetchone()
            insert = QUERIES["insert_log"]
            log = row[0] if row else self._connection.execute(insert, (name,)).lastrowid
            assert log is not None
            erased = self._erase(log, part, row[2] if row else 0)
            rows += [(log, number, value) for number, value in part.between(erased, None)]
        self._write_rows("insert_entry", rows)

    def _erase(self, log: int, part: LogPart, before: int) -> int:
        """Remove what a generation says was erased; return up to which number the log is."""
        if part.erased <= before:
            return before
        self._connection.execute(QUERIES["erase_entries"], (log, part.erased))
        self._connection.execute(QUERIES["mark_erased"], (part.erased, log))
        return part.erased

    def _write_rows(self, query: str, rows: Sequence[Row]) -> None:
        """Run a query with one `VALUES (…)` for many rows at once.

        Each statement is a turn of the interpreter's lock, which the writer waits for.
        """
        head, values, rest = re.split(r"(\((?:\?, )*\?\))", QUERIES[query], maxsplit=1)
        for start in range(0, len(rows), _MOST_ROWS):
            portion = rows[start : start + _MOST_ROWS]
            statement = head + ", ".join([values] * len(portion)) + rest
            self._connection.execute(statement, list(chain.from_iterable(portion)))


def open_index(path: Path) -> Index:
    """Open the index, or begin a new one in place of a file that is of no use."""
    try:
        return Index(path)
    except StaleIndex:
        remove_index(path)
        return Index(path)


def remove_index(path: Path) -> None:
    """Delete the index."""
    for suffix in _SIDE_FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
