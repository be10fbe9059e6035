"""Turn operations into the arguments of the function that applies them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from holdfast.errors import UsageError
from holdfast.storage.keys import encode_key, encode_prefix
from holdfast.storage.seam import Append, Delete, Key, Operation, Put

_MAX_BYTES = 512 * 1024 * 1024
"""Of one statement: Postgres reads messages of at most 1 GiB and copies what they hold."""


def queue_of(key: Key, due_at: int | None) -> bytes | None:
    """Return the queue that a record stands in, None for one that is not due at any time."""
    return None if due_at is None else encode_prefix(key[:-1])


def check_total(values: Iterable[bytes]) -> None:
    """Refuse values that are too long together.

    Raises:
        UsageError: they take more than one statement can carry.
    """
    if (total := sum(map(len, values))) > _MAX_BYTES:
        raise UsageError(
            f"the values of one write take {total} bytes; {_MAX_BYTES} are allowed",
            hint="write them in several steps",
        )


@dataclass(slots=True)
class _Columns:
    """One list an argument: the operations side by side, then the entries of all appends."""

    kinds: list[str] = field(default_factory=list[str])
    targets: list[bytes] = field(default_factory=list[bytes])
    expectations: list[int] = field(default_factory=list[int])
    contents: list[bytes | None] = field(default_factory=list[bytes | None])
    expiries: list[int | None] = field(default_factory=list[int | None])
    dues: list[int | None] = field(default_factory=list[int | None])
    queues: list[bytes | None] = field(default_factory=list[bytes | None])
    sizes: list[int] = field(default_factory=list[int])
    owners: list[int] = field(default_factory=list[int])
    places: list[int] = field(default_factory=list[int])
    bodies: list[bytes] = field(default_factory=list[bytes])

    def add(self, kind: str, target: bytes, expected: int) -> None:
        """Add what every operation has; the rest is set behind it."""
        self.kinds.append(kind)
        self.targets.append(target)
        self.expectations.append(expected)
        self.contents.append(None)
        self.expiries.append(None)
        self.dues.append(None)
        self.queues.append(None)
        self.sizes.append(0)


def arguments_of(operations: Sequence[Operation]) -> tuple[Sequence[object], ...]:
    """Return the arguments of `apply_batch` but for the last one, the time."""
    columns = _Columns()
    for operation in operations:
        _add(columns, operation)
    check_total([*filter(None, columns.contents), *columns.bodies])
    return (
        columns.kinds,
        columns.targets,
        columns.expectations,
        columns.contents,
        columns.expiries,
        columns.dues,
        columns.queues,
        columns.sizes,
        columns.owners,
        columns.places,
        columns.bodies,
    )


def _add(columns: _Columns, operation: Operation) -> None:
    match operation:
        case Put(key=key, value=value, expected=expected, expires_at=expires_at, due_at=due_at):
            columns.add("put", encode_key(key), expected)
            columns.contents[-1] = value
            columns.expiries[-1] = expires_at
            columns.dues[-1] = due_at
            columns.queues[-1] = queue_of(key, due_at)
        case Delete(key=key, expected=expected):
            columns.add("delete", encode_key(key), expected)
        case Append(log=log, entries=entries, expected=expected):
            columns.add("append", encode_key(log), expected)
            columns.sizes[-1] = len(entries)
            columns.owners += [len(columns.kinds)] * len(entries)
            columns.places += range(1, len(entries) + 1)
            columns.bodies += entries
        case _:
            assert_never(operation)
