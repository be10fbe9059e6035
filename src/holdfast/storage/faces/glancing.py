"""Tell by the look of a folder that nobody edited anything, without reading its files.

What was seen is remembered in one file: the names, and what `stat` said of each file that was an
untouched face. A file of which it says the same again was not changed, unless it was written so
shortly before that the next change may get the same time; such a file is read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple, cast

from holdfast.errors import FaceError, StorageError
from holdfast.storage.faces.folder import FaceFolder
from holdfast.storage.faces.names import is_temporary

_SEEN = "seen"
_FORMAT = 1
_RECENT_MS = 2500
"""The coarsest times that file systems keep are of two seconds."""


class _Glance(NamedTuple):
    """The files of a folder that are known to be untouched, and whether those are all."""

    seen: Mapping[str, str]
    is_untouched: bool


def is_untouched(folder: FaceFolder) -> bool:
    """Return whether all files are faces that nobody edited, and none is missing.

    False may also say that it cannot be told so quickly.
    """
    if folder.leftovers():
        return False
    before = _read(folder.read_derived(_SEEN))
    glance = _glance(folder, before)
    if glance.seen != before:
        text = json.dumps({"format": _FORMAT, "files": glance.seen}, separators=(",", ":"))
        folder.write_derived(_SEEN, text.encode())
    return glance.is_untouched


def _glance(folder: FaceFolder, before: Mapping[str, str]) -> _Glance:
    seen: dict[str, str] = {}
    statuses = folder.statuses()
    now = folder.now_ms()
    for name, status in statuses.items():
        if is_temporary(name) or name == folder.conflicts.name:
            continue
        if not (status.is_file and (before.get(name) == status.mark or _is_face(folder, name))):
            return _Glance({**before, **seen}, is_untouched=False)
        # A time in the future comes from another clock: nothing follows from it.
        if now - status.changed_ms - _RECENT_MS >= 0:
            seen[name] = status.mark
    is_whole = statuses.keys() >= set(folder.remembered())
    return _Glance(seen, is_untouched=is_whole)


def _is_face(folder: FaceFolder, name: str) -> bool:
    """Return whether a file is what was written last under its name."""
    try:
        data = folder.read(folder.path / name)
        content = folder.parse(data) if data is not None else None
    except (FaceError, StorageError):
        return False  # the thorough look tells what is wrong
    if content is None or not content.is_untouched:
        return False
    history = folder.history(name)
    return history is not None and history.newest_mark == content.mark


def _read(data: bytes | None) -> dict[str, str]:
    """Return what was seen; nothing of a file that is missing or damaged."""
    try:
        members = json.loads(data or b"{}")
        files: object = members["files"] if members.get("format") == _FORMAT else {}
    except (ValueError, LookupError, AttributeError):
        return {}
    if not isinstance(files, dict):
        return {}
    pairs = cast("dict[str, object]", files).items()
    return {name: mark for name, mark in pairs if isinstance(mark, str)}
