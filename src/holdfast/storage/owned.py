"""Open a SQLite file that one part of Holdfast keeps for itself: make it, know it, refuse what is not its own."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from holdfast.frozen import field, frozen
from holdfast.storage.sqlite.errors import BUSY_SECONDS, foreign, too_new
from holdfast.storage.wal import switch_to_log


@frozen
class Form:
    """What a file is known by, and what it is made of. `steps` lead from each older schema to the next.

    `number` is SQLite's application id; `made_by` is a file of statements. A new file has pages of
    `page_bytes`.
    """

    number: int
    schema: int
    made_by: Path
    steps: Mapping[int, Sequence[str]] = field(default_factory=dict[int, Sequence[str]])
    page_bytes: int = 4096


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that begins no transaction by itself, and may be used in any thread in turn."""
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def open_owned(path: Path, form: Form, *, synchronous: str) -> sqlite3.Connection:
    """Return a connection on a file of this form, which exists then, for its owner only.

    Raises:
        StorageError: it is not of this form; or the driver's own error, to be translated.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite gives its log the mode of the file. Only a new file may be opened here: closing a
    # descriptor drops the locks of SQLite on the file.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = connect(path)
    try:
        if not _is_known(connection, path, form):
            connection.execute(f"PRAGMA page_size = {form.page_bytes}")
            switch_to_log(connection, busy_seconds=BUSY_SECONDS)
            _make(connection, path, form)
        _bring_up(connection, form)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_known(connection: sqlite3.Connection, path: Path, form: Form) -> bool:
    """Return whether the file has this form; False for an empty file."""
    # One snapshot: another process may be making it.
    application, version, tables = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id), "
        "(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)"
    ).fetchone()
    if (application, version, tables) == (0, 0, 0):
        return False
    if application != form.number:
        raise foreign(path)
    if version > form.schema:
        raise too_new(path, version, form.schema)
    return True


def _make(connection: sqlite3.Connection, path: Path, form: Form) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if not _is_known(connection, path, form):  # nobody else made it meanwhile
        lines = form.made_by.read_text("utf-8").splitlines()
        statements = "\n".join(line for line in lines if not line.startswith("--"))
        for statement in statements.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {form.number}")
        connection.execute(f"PRAGMA user_version = {form.schema}")
    connection.execute("COMMIT")


def _bring_up(connection: sqlite3.Connection, form: Form) -> None:
    """Lead an older schema to ours; processes of the version before go on with it."""
    if _version(connection) == form.schema:
        return
    connection.execute("BEGIN IMMEDIATE")
    for version in range(_version(connection), form.schema):
        for statement in form.steps[version]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {form.schema}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
