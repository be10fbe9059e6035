"""The files backend: a journal that is the truth, and indexes that may be deleted."""

from __future__ import annotations

from holdfast.storage.files.store import FilesStore

__all__ = ["FilesStore"]
