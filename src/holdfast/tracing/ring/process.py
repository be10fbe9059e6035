"""Say which process this is, so that no other one is taken for it later."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SELF = Path("/proc/self/stat")
_START_FIELD = 19  # of those behind the name, see proc(5)


def boot_id() -> bytes:
    """Return the 16 bytes that the kernel made up when it started; zeros if it did not."""
    try:
        return UUID(_BOOT.read_text().strip()).bytes
    except (OSError, ValueError):
        return bytes(16)


def started_ticks() -> int:
    """Return when this process started, in clock ticks since the boot; 0 if nobody knows."""
    try:
        return int(_SELF.read_text().rpartition(")")[2].split()[_START_FIELD])
    except (OSError, ValueError, IndexError):
        return 0
