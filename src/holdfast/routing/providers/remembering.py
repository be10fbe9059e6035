"""What was learned of endpoints outlives a process: one small JSON file, shared by all of a project.

It is written whole or not at all, and without a lock: a lesson that another process wrote over is learned
again. It holds names and addresses, and no keys.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from holdfast.routing.providers.habits import CHANGING, FORGOTTEN_MS, Habits
from holdfast.storage.warning import warn

VERSION: Final = 1
_MOST_KEPT: Final = 500
_TRAITS: Final = ("schema", "usage", "completion_tokens", "extensions")


class Where(NamedTuple):
    """A model of an endpoint. The address, or what litellm calls it, as a provider may get another."""

    provider: str
    address: str
    model: str


Known = Mapping[Where, Habits]


def read(path: Path, now_ms: int) -> Known:
    """Return what a file says and still counts; one that says nothing sensible is a warning."""
    try:
        return decode(path.read_bytes(), now_ms)
    except FileNotFoundError:
        return {}
    except OSError as error:
        warn("cannot read %r: %s", str(path), error.strerror)
    except ValueError as error:
        warn("%r is damaged, so endpoints are learned anew: %s", str(path), error)
    return {}


def write(path: Path, ours: Known, now_ms: int) -> Known:
    """Add to a file what is known here, and return all that it says then; failing is a warning."""
    counting = {where: habits for where, habits in ours.items() if habits.until_ms > now_ms}
    merged = newest(read(path, now_ms), counting)
    kept = sorted(merged.items(), key=lambda each: each[1].until_ms)[-_MOST_KEPT:]
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.write_bytes(encode(dict(kept)))
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        warn(
            "what was learned of endpoints is not kept: cannot write %r: %s",
            str(path),
            error.strerror,
        )
    return merged


def newest(known: Known, others: Known) -> Known:
    """Return all that is known, of each endpoint the last lesson."""
    news = {
        where: habits
        for where, habits in others.items()
        if habits.until_ms > known.get(where, Habits()).until_ms
    }
    return {**known, **news}


def encode(known: Known) -> bytes:
    """Return what is known as JSON; what is as with any endpoint is left out."""
    entries = [{**where._asdict(), **_told(habits)} for where, habits in known.items()]
    return json.dumps({"version": VERSION, "habits": entries}, indent=1).encode() + b"\n"


def decode(text: bytes, now_ms: int) -> Known:
    """Return what a file says and still counts.

    Raises:
        ValueError: this is no such file, or one of another version.
    """
    found: Any = json.loads(text)
    if not isinstance(found, dict) or cast("dict[str, Any]", found).get("version") != VERSION:
        raise ValueError(f"it is not of version {VERSION}")
    try:
        known = dict(_entry(each, now_ms) for each in cast("Any", found["habits"]))
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"an entry is none: {error!r}") from None
    return {where: habits for where, habits in known.items() if habits.until_ms > now_ms}


def _entry(found: Any, now_ms: int) -> tuple[Where, Habits]:
    where = Where(*(str(found[name]) for name in Where._fields))
    usual = Habits()
    # Whatever a file says, only what an answer can be had without is left out, and for no longer than usual.
    return where, Habits(
        **{name: bool(found.get(name, getattr(usual, name))) for name in _TRAITS},
        left_out=frozenset(found.get("left_out", ())) & CHANGING.keys(),
        until_ms=min(int(found["until_ms"]), now_ms + FORGOTTEN_MS),
    )


def _told(habits: Habits) -> dict[str, object]:
    usual = Habits()
    traits = {name: getattr(habits, name) for name in _TRAITS}
    told: dict[str, object] = {
        n: value for n, value in traits.items() if value != getattr(usual, n)
    }
    if habits.left_out:
        told["left_out"] = sorted(habits.left_out)
    return told | {"until_ms": habits.until_ms}
