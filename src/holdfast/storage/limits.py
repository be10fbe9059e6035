"""Check what callers hand to a store, by the same rules in every backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from holdfast.errors import UsageError
from holdfast.storage.seam import Append, Delete, Operation, Put

MAX_VALUE_BYTES = 64 * 1024 * 1024
"""The longest value of a record or an entry that a backend without a limit of its own takes."""


def check_value(value: bytes, limit: int = MAX_VALUE_BYTES) -> None:
    """Refuse a value that is longer than `limit` bytes.

    Raises:
        UsageError: the value is too long.
    """
    if len(value) > limit:
        raise UsageError(
            f"a stored value takes {len(value)} bytes; {limit} are allowed",
            hint="write the data to a file and store its path and hash",
        )


def check_operation(operation: Operation, limit: int = MAX_VALUE_BYTES) -> None:
    """Refuse an operation that holds a value of more than `limit` bytes.

    Raises:
        UsageError: a value is too long.
    """
    match operation:
        case Append():
            for value in operation.entries:
                check_value(value, limit)
        case Put():
            check_value(operation.value, limit)
        case Delete():
            pass
        case _:
            assert_never(operation)


def check_batch(operations: Sequence[Operation]) -> None:
    """Refuse a batch in which two operations name the same key or the same log.

    Raises:
        UsageError: the batch holds such a pair.
    """
    if len(operations) == 1:
        return
    seen = {(isinstance(operation, Append), _target(operation)) for operation in operations}
    if len(seen) < len(operations):
        raise UsageError(
            "two operations of one batch name the same key or log",
            hint="merge them into one operation, or write them one after the other",
        )


def _target(operation: Operation) -> tuple[str, ...]:
    return operation.log if isinstance(operation, Append) else operation.key
