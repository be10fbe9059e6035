"""The SQLite backend: one file, group commit, readers that never wait."""

from __future__ import annotations

from holdfast.storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
