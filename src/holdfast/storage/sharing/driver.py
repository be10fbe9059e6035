"""Merge one file, as git asks its merge drivers to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from holdfast.errors import StorageUnavailable, UsageError
from holdfast.storage.faces.clones import SUFFIXES, KeptFace, merge_faces
from holdfast.storage.files.disk import SystemDisk
from holdfast.storage.files.merging.heaps import merge_segments
from holdfast.storage.files.users import USERS, alone_if_possible

if TYPE_CHECKING:
    from holdfast.storage.files.merging.joining import Joined

_JOURNAL = "journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMerged:
    """The bytes of a merged file, and what there is to tell. `is_done` is false for a heap."""

    data: bytes
    report: Sequence[str] = ()
    is_done: bool = True


def merge_by_git(base: Path, ours: Path, theirs: Path, path: str) -> FileMerged:
    """Merge the files that git has written down, and put the result in the place of `ours`.

    `path` is the file's name in the work tree, which is the current folder.

    Raises:
        UsageError: the file is none of a store.
        StorageCorrupt: one side is damaged.
        StorageUnavailable: another process has the store open.
    """
    try:
        sides = base.read_bytes(), ours.read_bytes(), theirs.read_bytes()
    except OSError as error:
        raise UsageError(f"a side of {path!r} cannot be read: {error}") from error
    merged = merge_contents(*sides, path, top=Path())
    ours.write_bytes(merged.data)
    return merged


def merge_contents(base: bytes, ours: bytes, theirs: bytes, path: str, *, top: Path) -> FileMerged:
    """Merge two sides of the file `path` below `top`, with the same result whichever is ours.

    Raises:
        UsageError: the file is none of a store.
        StorageCorrupt: one side is damaged.
        StorageUnavailable: another process has the store open.
    """
    name = PurePosixPath(path)
    if name.parent.name == _JOURNAL and name.suffix == ".jsonl":
        _require_closed(top / name.parent)
        return _merge_journal(ours, theirs, path)
    if name.parent.name == _JOURNAL or name.suffix not in SUFFIXES:
        raise UsageError(
            f"Holdfast cannot merge {path!r}",
            hint="only `journal/*.jsonl` and readable faces (`.json`, `.md`) of a store; see "
            "`.gitattributes`",
        )
    merged = merge_faces(base, ours, theirs, name.name)
    for kept in merged.kept:
        _keep(top / name.parent / "conflicts", kept)
    return FileMerged(data=merged.data, report=merged.report)


def tell(joined: Joined) -> list[str]:
    """Return what a merge of journals came to, in words."""
    told = [f"{joined.new_here} lines of ours and {joined.new_there} of theirs are in one journal"]
    if joined.lost:
        told.append(
            f"{joined.lost} of {joined.records} records that both sides had changed have the later "
            "value; the other one is in the log `merge-lost`"
        )
    return told


def _merge_journal(ours: bytes, theirs: bytes, path: str) -> FileMerged:
    merged = merge_segments(ours, theirs, path)
    if merged.joined:
        report = [f"{path}: {told}" for told in tell(merged.joined)]
        return FileMerged(data=merged.data, report=report)
    if not merged.is_heap:
        return FileMerged(data=merged.data)
    report = [f"{path}: holds the lines of both; `holdfast merge` sorts them, then commit that"]
    return FileMerged(data=merged.data, report=report, is_done=False)


def _require_closed(folder: Path) -> None:
    """Refuse to let git put other files under the feet of a process that works with them."""
    if not (folder / USERS).exists():
        return
    with alone_if_possible(folder, SystemDisk()) as is_alone:
        if not is_alone:
            raise StorageUnavailable(
                f"the store in {str(folder.parent)!r} is open in another process",
                hint="stop all who use it, then run `holdfast merge`; or `git merge --abort` first",
            )


def _keep(folder: Path, kept: KeptFace) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # The note first: a file that is kept never stands there without its reason.
    (folder / f"{kept.name}.why").write_text(kept.why, encoding="utf-8")
    (folder / kept.name).write_bytes(kept.data)
