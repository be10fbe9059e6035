"""Make and check the one id that a task, a run, a trace and a bill share.

An id is the 128 bits of a version 4 UUID (RFC 9562), written as 32 lower-case hexadecimal
digits: that is also the form of a W3C trace id. A span id is 64 random bits in 16 digits.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from random import Random

RunId = NewType("RunId", str)
SpanId = NewType("SpanId", str)

ID_LENGTH = 32
_HEX = frozenset("0123456789abcdef")


@cache
def _generator() -> Random:
    """Return where span ids come from, which need not be secret, only different.

    It is one of our own, so that no program that seeds the common one makes them repeat, and it is
    seeded anew in a process that was forked off.
    """
    import random  # noqa: PLC0415 - commands without spans never load it

    own = random.Random()  # noqa: S311
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=own.seed)
    return own


def new_run_id() -> RunId:
    """Return a fresh id with 122 random bits: it cannot be guessed."""
    bits = int.from_bytes(os.urandom(16), "big")
    bits = bits & ~(0xF << 76) | (4 << 76)
    bits = bits & ~(0x3 << 62) | (0x2 << 62)
    return RunId(f"{bits:032x}")


def new_span_id() -> SpanId:
    """Return a fresh span id, never all zeros (W3C Trace Context, section 3.2.2.4)."""
    return SpanId(f"{_generator().getrandbits(64) or 1:016x}")


def new_entry_id() -> str:
    """Return a fresh id of an entry of the memory, of the same form as that of a run."""
    return new_run_id()


def new_session_id() -> str:
    """Return a fresh id of a session, of the same form as that of a run."""
    return new_run_id()


def new_holder_id() -> str:
    """Return a fresh name for a process that holds leases."""
    return os.urandom(8).hex()


def new_file_id() -> str:
    """Return a fresh name for a file that nobody else is going to make."""
    return os.urandom(8).hex()


def normalise_prefix(text: str) -> str | None:
    """Return `text` as the beginning of an id, or None if no id can begin so."""
    prefix = text.strip().lower().replace("-", "")
    if not 0 < len(prefix) <= ID_LENGTH or not _HEX.issuperset(prefix):
        return None
    return prefix
