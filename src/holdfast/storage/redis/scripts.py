"""Load the Lua scripts that stand beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

_FOLDER = Path(__file__).with_name("scripts")


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the digest by which the server knows it."""

    text: bytes
    digest: bytes


def _load(*names: str) -> Script:
    text = b"\n".join((_FOLDER / f"{name}.lua").read_bytes() for name in names)
    digest = sha1(text, usedforsecurity=False).hexdigest()
    return Script(text, digest.encode())


OPEN = _load("open")
WRITE = _load("records", "write")
CLAIM = _load("records", "claim")
SCAN = _load("scan")
READ = _load("read")
ERASE = _load("records", "erase")

ALL = (OPEN, WRITE, CLAIM, SCAN, READ, ERASE)
