"""Finish what git could not: conflicts in a store, and journals that wait to be sorted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from holdfast.errors import StorageCorrupt, UsageError
from holdfast.storage.files.disk import SystemDisk
from holdfast.storage.files.merging.heaps import merge_segments
from holdfast.storage.files.merging.pending import is_pending
from holdfast.storage.files.segments import COMPRESSED, read_compressed
from holdfast.storage.files.snapshot import snapshot_numbers
from holdfast.storage.files.upkeep.merge import settle_store
from holdfast.storage.sharing.driver import merge_contents, tell
from holdfast.storage.sharing.git import Git

_BASE, _OURS, _THEIRS = 1, 2, 3
_JOURNAL = "journal"


@dataclass(slots=True)
class Finished:
    """What was done: the conflicts that were solved, and what there is to tell."""

    solved: list[str] = field(default_factory=list[str])
    report: list[str] = field(default_factory=list[str])


def finish(store: Path) -> Finished:
    """Solve the conflicts that git has in a store, and sort its journal.

    Raises:
        StorageCorrupt: one side is damaged, or was compacted before the other one had its lines.
        StorageUnavailable: another process has the store open.
    """
    finished = Finished()
    git = _git(store)
    if git:
        conflicts = _conflicts(git, store)
        for path in conflicts:
            _require_history(git, path, conflicts[path])
        for path, stages in conflicts.items():
            _solve(git, path, stages, finished)
    folder = store / _JOURNAL
    if is_pending(SystemDisk(), folder):
        joined = settle_store(store)
        finished.report += [f"sorted the journal in {folder}", *(tell(joined) if joined else ())]
        if git and finished.solved:
            git.text("add", "--", str(folder.absolute()))
    return finished


def _git(store: Path) -> Git | None:
    try:
        return Git(store) if store.is_dir() else None
    except UsageError:
        return None  # a store does not need git


def _conflicts(git: Git, store: Path) -> dict[str, dict[int, str]]:
    """Return the objects of each file that is in conflict, by their stages."""
    listed = git.text("ls-files", "-u", "-z", "--full-name", "--", str(store.absolute()))
    found: dict[str, dict[int, str]] = {}
    for entry in filter(None, listed.split("\0")):
        head, _, path = entry.partition("\t")
        _, digest, stage = head.split()
        found.setdefault(path, {})[int(stage)] = digest
    return found


def _require_history(git: Git, path: str, stages: Mapping[int, str]) -> None:
    """Refuse to join a segment to a journal that was compacted without it."""
    name = PurePosixPath(path)
    if name.parent.name != _JOURNAL or {_OURS, _THEIRS} <= stages.keys():
        return
    snapshots = snapshot_numbers(SystemDisk(), git.top / name.parent)
    if name.suffix == ".jsonl" and snapshots and int(name.stem) < snapshots[-1]:
        raise StorageCorrupt(
            f"{path} was compacted away in one clone, and the other one has new lines in it",
            hint="run `git merge --abort`; check the commit before the compaction out into another "
            "folder OLD, run `holdfast merge OLD COMPACTED` with the two folders of the store, and "
            "merge with OLD instead",
        )


def _solve(git: Git, path: str, stages: Mapping[int, str], finished: Finished) -> None:
    sides = {stage: git.bytes("cat-file", "blob", digest) for stage, digest in stages.items()}
    target = git.top / path
    if {_OURS, _THEIRS} <= sides.keys():
        base = sides.get(_BASE, b"")
        merged = merge_contents(base, sides[_OURS], sides[_THEIRS], path, top=git.top)
        data = merged.data
        finished.report += merged.report
    else:
        data = _with_twin(target, sides.get(_OURS) or sides.get(_THEIRS) or b"", path)
    target.write_bytes(data)
    git.text("add", "--", path)
    finished.solved.append(path)


def _with_twin(target: Path, data: bytes, path: str) -> bytes:
    """Join a segment to what the other side made of it: it may have compressed it."""
    packed = target.with_name(f"{target.stem}{COMPRESSED}")
    if target.parent.name != _JOURNAL or target.suffix != ".jsonl" or not packed.exists():
        return data
    twin = read_compressed(SystemDisk(), target.parent, int(target.stem))
    return merge_segments(data, twin, path).data
