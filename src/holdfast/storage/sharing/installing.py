"""Tell git how a store is merged, what of it is to be carried, and what is not."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from pathlib import Path

from holdfast.storage.files.disk import Disk, SystemDisk
from holdfast.storage.files.errors import translated
from holdfast.storage.files.indexer import write_file
from holdfast.storage.files.segments import (
    COMPRESSED,
    SHARED,
    read_compressed,
    segment_name,
    segment_numbers,
)
from holdfast.storage.files.users import alone
from holdfast.storage.sharing.git import Git

DRIVER = "holdfast"
_JOURNAL = "journal"
_BEGIN = "# holdfast merge --install: begin"
_END = "# holdfast merge --install: end"
_ATTRIBUTES = """\
* -text
*.json merge=holdfast
*.md merge=holdfast
/journal/*.jsonl merge=holdfast
/journal/*.zst binary
"""
_IGNORED = """\
/*
.*
*.staged
!/.gitignore
!/.gitattributes
!/journal/
/journal/*
!/journal/*.jsonl
!/journal/*.jsonl.zst
!/journal/shared
!/tasks/
!/memory/
taking/
"""
_WHY_SHARED = "Git carries this journal to other clones, so its segments keep their names.\n"


def install(store: Path) -> list[str]:
    """Make a store ready to be shared through git; return what was done, nothing if it was ready.

    Raises:
        UsageError: the folder is in no git work tree.
        StorageUnavailable: another process has the store open.
    """
    with translated(str(store)):
        git = Git(_existing(store))
        (store / _JOURNAL).mkdir(parents=True, exist_ok=True)
        return [
            *_write_block(store / ".gitattributes", _ATTRIBUTES),
            *_write_block(store / ".gitignore", _IGNORED),
            *_mark_shared(store / _JOURNAL),
            *_carry(git, store),
            *_configure(git),
        ]


def _existing(folder: Path) -> Path:
    while not folder.is_dir():
        folder = folder.parent
    return folder


def _write_block(path: Path, lines: str) -> list[str]:
    """Put lines between two marks of ours; what else is in the file stays."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    block = f"{_BEGIN}\n{lines}{_END}\n"
    if block in text:
        return []
    before, begun, rest = text.partition(_BEGIN)
    after = rest.partition(f"{_END}\n")[2] if begun else ""
    gap = "" if not before or before.endswith("\n") else "\n"
    path.write_text(f"{before}{gap}{block}{after}", encoding="utf-8", newline="\n")
    return [f"wrote {path.name} in {path.parent}"]


def _mark_shared(folder: Path) -> list[str]:
    disk = SystemDisk()
    if SHARED in disk.names(folder):
        return []
    with alone(folder, disk, "share"):
        (folder / SHARED).write_text(_WHY_SHARED, encoding="utf-8")
        unpacked = sum(_unpack(disk, folder, number) for number in segment_numbers(disk, folder))
    done = [f"marked {folder} as shared: its segments are neither compressed nor compacted"]
    return [*done, f"unpacked {unpacked} compressed segments"] if unpacked else done


def _unpack(disk: Disk, folder: Path, number: int) -> bool:
    name = segment_name(number)
    packed = f"{number:08d}{COMPRESSED}"
    if packed not in disk.names(folder):
        return False
    if name not in disk.names(folder):
        data = read_compressed(disk, folder, number)
        write_file(disk, folder / f"{name}.staged", data)
        disk.rename(folder / f"{name}.staged", folder / name)
        disk.sync_folder(folder)
    disk.unlink(folder / packed)
    return True


def _carry(git: Git, store: Path) -> list[str]:
    """Take out the line that keeps the whole store from git, as `holdfast init` writes it."""
    told = git.says("check-ignore", "-v", "--no-index", str(store.absolute() / _JOURNAL / SHARED))
    if not told:
        return []  # no pattern says anything of it
    where, _, pattern = told.partition("\t")[0].rpartition(":")
    name, _, number = where.rpartition(":")
    if pattern.startswith("!"):
        return []
    path = git.top / name
    if pattern.strip("/") != store.name or not path.is_file():
        return [f"{name}, line {number}, keeps the store from git: take {pattern!r} out there"]
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    with suppress(IndexError):
        del lines[int(number) - 1]
    path.write_text("".join(lines), encoding="utf-8")
    return [f"took {pattern!r} out of {name}: git carries the store now", *_carry(git, store)]


def _configure(git: Git) -> list[str]:
    # Without the work tree in Python's path: a module in there must not stand in for one of ours.
    command = f"{shlex.quote(sys.executable)} -P -m holdfast merge --".replace("%", "%%")
    wanted = {
        "name": "union of journals, field-level merge of faces",
        "driver": f"{command} %O %A %B %P",
        # The bases of a criss-cross merge: the journals need none, and nothing must be kept twice.
        "recursive": "binary",
    }
    done: list[str] = []
    for name, value in wanted.items():
        key = f"merge.{DRIVER}.{name}"
        if git.says("config", "--local", key) != value:
            git.text("config", "--local", key, value)
            done.append(f"set {key} in the settings of this clone")
    return done
