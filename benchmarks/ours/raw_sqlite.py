"""What the disk allows: commits a second of bare SQLite, as durable as ours and as large."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path


def measure(folder: Path, steps: int, size: int) -> float:
    """Return commits a second, each of one row of `size` bytes."""
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE entries (number INTEGER PRIMARY KEY, value BLOB)")
    value = b"x" * size
    for _ in range(50):
        connection.execute("INSERT INTO entries (value) VALUES (?)", (value,))
    begin = time.perf_counter()
    for _ in range(steps):
        connection.execute("INSERT INTO entries (value) VALUES (?)", (value,))
    took = time.perf_counter() - begin
    connection.close()
    return steps / took


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    rate = measure(Path(request["folder"]), request["steps"], request["size"])
    print(json.dumps({"serial": rate}))
