"""Look after a SQLite store: mostly SQLite's own tools do it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from holdfast.clock import Clock
from holdfast.errors import HoldfastError, StorageCorrupt, StorageUnavailable, UsageError
from holdfast.storage.keys import decode_key
from holdfast.storage.maintenance import Compacted, Copied, Finding, Repaired, Report
from holdfast.storage.queries import load_queries
from holdfast.storage.sqlite.errors import BUSY_SECONDS, foreign, too_new, translate
from holdfast.storage.sqlite.file import APPLICATION_ID, SCHEMA, connect

QUERIES = load_queries(Path(__file__).with_name("upkeep.sql"))
_SIDE_FILES = ("", "-wal", "-shm")
_PROMISE = "SQLite: survives a power cut if the file system does what it is asked"
_RESTORE = "restore a backup, or save what is readable with `sqlite3 FILE .recover`"


class SqliteUpkeep:
    """The `Upkeep` of the store in one file."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path.expanduser().absolute()
        self._clock = clock

    def verify(self, *, thorough: bool = True) -> Report:
        return _verify(self._path, thorough=thorough)

    def repair(self, *, dry_run: bool = False) -> Repaired:
        what = "say what a repair would do" if dry_run else "repair"
        raise UsageError(f"Holdfast cannot {what}: SQLite keeps this store", hint=_RESTORE)

    def compact(self) -> Compacted:
        before = _size(self._path)
        with _reading(self._path) as connection:
            _require_ours(connection, self._path)
        with _translated(self._path), closing(connect(self._path)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        after = _size(self._path)
        return Compacted(store=str(self._path), bytes_before=before, bytes_after=after, notes=())

    def backup(self, target: Path) -> Copied:
        target = target.expanduser().absolute()
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UsageError(
                f"the folder {str(target)!r} is not empty", hint="name one that is, or a new one"
            )
        with _translated(target):
            _make_folders(target)
        copy = target / self._path.name
        _copy(self._path, copy)
        return _copied(self._path, copy, _require_sound(copy, "backup"))

    def restore(self, source: Path, *, force: bool = False) -> Copied:
        backup = _file_in(source.expanduser().absolute())
        _require_sound(backup, "backup")
        replaced: Path | None = None
        if self._path.exists():
            if not force and _holds_anything(self._path):
                raise UsageError(
                    f"the store {str(self._path)!r} is not empty",
                    hint="restore to another path, or add --force to move what is there aside",
                )
            replaced = self._path.with_name(f"{self._path.name}.replaced-{self._clock.now_ms()}")
            _move_aside(self._path, replaced)
        with _translated(self._path):
            _make_folders(self._path.parent)
        _copy(backup, self._path)
        return _copied(backup, self._path, _verify(self._path), replaced=replaced)


def _verify(path: Path, *, thorough: bool = True) -> Report:
    findings: list[Finding] = []
    with _reading(path) as connection:
        _require_ours(connection, path)
        check = "integrity_check" if thorough else "quick_check"
        faults = _faults(connection, check)
        if faults != ["ok"]:
            findings = [_finding(path, fault) for fault in faults]
        else:
            findings = [_finding(path, fault) for fault in _contradictions(connection)]
        counts = {
            name: int(connection.execute(QUERIES[f"count_{name}"]).fetchone()[0])
            for name in ("records", "logs", "entries")
            if faults == ["ok"]
        }
    counts["bytes"] = _size(path)
    return Report(store=str(path), promise=_PROMISE, findings=findings, notes=(), counts=counts)


def _faults(connection: sqlite3.Connection, check: str) -> list[str]:
    """Return what a check finds: `ok`, or the faults."""
    try:
        return [str(row[0]) for row in connection.execute(f"PRAGMA {check}")]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:  # so damaged that the check itself fails
        return [str(error)]


def _contradictions(connection: sqlite3.Connection) -> list[str]:
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    holes = QUERIES["find_old_holes" if schema == 1 else "find_holes"]
    found = [
        f"the log {decode_key(name)!r} has {count} entries, numbered from {first} to {last}"
        for name, count, first, last in connection.execute(holes)
    ]
    (stray,) = connection.execute(QUERIES["find_stray_entries"]).fetchone()
    (late,) = connection.execute(QUERIES["find_late_versions"]).fetchone()
    found += [f"{stray} entries belong to no log"] if stray else []
    found += [f"{late} records have versions that were never given out"] if late else []
    return found


def _finding(path: Path, reason: str) -> Finding:
    return Finding(file=path.name, offset=0, length=0, reason=reason, means=_RESTORE, remedy="none")


@contextmanager
def _reading(path: Path) -> Generator[sqlite3.Connection]:
    """Give a connection that cannot write."""
    if not path.is_file():
        raise StorageUnavailable(
            f"there is no store in {str(path)!r}",
            hint="nothing was kept yet, or check the path: `sqlite:PATH` names a file",
        )
    with _translated(path):
        # Without a log nobody has it open, and then SQLite need not make one to read it.
        immutable = "" if path.with_name(path.name + "-wal").exists() else "&immutable=1"
        uri = f"file:{quote(str(path))}?mode=ro{immutable}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        with closing(connection):
            yield connection


@contextmanager
def _translated(path: Path) -> Generator[None]:
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:
        failure = translate(error, path)
        if failure is error:
            raise
        raise failure from error


def _require_ours(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise foreign(path)
    if version > SCHEMA:
        raise too_new(path, version, SCHEMA)


def _copy(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment; the copy has its name only when it is complete."""
    incoming = target.with_name(f"{target.name}.incoming")
    try:
        with _reading(source) as connection:
            _require_ours(connection, source)
            with closing(sqlite3.connect(incoming, isolation_level=None)) as copy:
                connection.backup(copy)
        with _translated(target):
            _sync(incoming)
            incoming.rename(target)
            _sync(target.parent)
    finally:
        for suffix in _SIDE_FILES:
            incoming.with_name(incoming.name + suffix).unlink(missing_ok=True)


def _require_sound(path: Path, what: str) -> Report:
    report = _verify(path)
    if not report.is_clean:
        raise StorageCorrupt(f"the {what} {str(path)!r} is damaged: {report.findings[0].reason}")
    return report


def _file_in(source: Path) -> Path:
    """Return the backup in a folder, or the file itself."""
    if source.is_file():
        return source
    files = sorted(source.glob("*")) if source.is_dir() else []
    if len(files) != 1:
        raise UsageError(
            f"{str(source)!r} is no backup of a SQLite store",
            hint="name the folder that `holdfast store backup` has filled",
        )
    return files[0]


def _holds_anything(path: Path) -> bool:
    counts = _verify(path, thorough=False).counts
    return bool(counts.get("records", 1) or counts.get("logs", 1))


def _move_aside(path: Path, replaced: Path) -> None:
    with _translated(path):
        with closing(connect(path)) as connection:
            _leave_log(connection, path)
        path.rename(replaced)
        _sync(path.parent)


def _leave_log(connection: sqlite3.Connection, path: Path) -> None:
    """Move all of the log into the file, which only the one who has it alone can do."""
    try:
        connection.execute("PRAGMA busy_timeout = 500")
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError:
        mode = "wal"
    except sqlite3.DatabaseError:
        return  # so damaged that there is nothing to move
    if mode != "delete":
        raise StorageUnavailable(
            f"the store {str(path)!r} is open in another process",
            hint="stop all who use it, then restore it",
        )


def _make_folders(folder: Path) -> None:
    if not folder.is_dir():
        _make_folders(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    files = (path.with_name(path.name + suffix) for suffix in _SIDE_FILES)
    return sum(each.stat().st_size for each in files if each.exists())


def _copied(source: Path, target: Path, report: Report, replaced: Path | None = None) -> Copied:
    return Copied(
        source=str(source),
        target=str(target),
        files=1,
        bytes=report.counts["bytes"],
        report=report,
        replaced=str(replaced) if replaced else None,
    )
