"""What a tool is: a signature, and an async function of its arguments.

Arguments may come from a model and are hostile: a tool checks every path and address against
what its context allows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast.agents.signatures import ToolSignature

Arguments = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What tools may touch.

    `root` is where relative paths begin. Files are read below the folders in `readable` and
    written below those in `writable`. `hosts` may be reached although their address is private,
    each written `host` or `host:port`.
    """

    root: Path
    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool. `call` gets every parameter, defaults filled in and types checked."""

    signature: ToolSignature
    call: Callable[[Arguments, ToolContext], Awaitable[object]]
