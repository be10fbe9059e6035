"""Say what the file system under a store can promise, and refuse the ones that cannot."""

from __future__ import annotations

import sys
from pathlib import Path

from holdfast.errors import StorageUnavailable

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = {
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
}
_VOLATILE = {"tmpfs", "ramfs"}


def refuse_network(path: Path) -> None:
    """Refuse a path on a file system whose locks and syncs reach another machine.

    Raises:
        StorageUnavailable: it is one.
    """
    kind = file_system(path)
    if kind in _NETWORK:
        raise StorageUnavailable(
            f"the store {str(path)!r} lies on a network file system ({kind})",
            hint="its locks and syncs cannot be trusted: keep the store on a local disk, use "
            "`postgres://…`, or open it with `files:PATH?allow_network=yes` at your own risk",
        )


def promise(path: Path) -> str:
    """Return one sentence on what an acknowledged write survives at this place."""
    kind = file_system(path)
    if kind in _NETWORK:
        return f"{kind}: a network file system; nothing is promised"
    if kind in _VOLATILE:
        return f"{kind}: survives the death of the process; the memory is lost with the power"
    if sys.platform == "darwin":
        return "macOS: survives a power cut (F_FULLFSYNC), if the drive honours it"
    if kind is None:
        return "unknown file system: survives a power cut if its fdatasync does what it says"
    return f"{kind}: survives a power cut, if the drive honours cache flushes"


def file_system(path: Path) -> str | None:
    """Return the type of the file system that a path lies on, None where nobody tells."""
    try:
        text = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    return mounted_type(text, path.absolute())


def mounted_type(mounts: str, path: Path) -> str | None:
    """Return the type in a `mountinfo` text of the mount that a path lies on."""
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = Path(_unescape(fields[4]))
        if path.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = len(point.parts), after.split()[0]
    return best[1] if best else None


def _unescape(text: str) -> str:
    """Undo the octal escapes of `mountinfo`: space, tab, newline and backslash."""
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, character)
    return text
