"""Check what callers hand to a store, by the same rules in every backend."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.errors import UsageError
from holdfast.storage.seam import Append, Operation

MAX_VALUE_BYTES = 64 * 1024 * 1024
"""The longest value of a record or an entry that every backend can hold."""


def check_value(value: bytes) -> None:
    """Refuse a value that not every backend can hold.

    Raises:
        UsageError: the value is longer than `MAX_VALUE_BYTES`.
    """
    if len(value) > MAX_VALUE_BYTES:
        raise UsageError(
            f"a stored value takes {len(value)} bytes; {MAX_VALUE_BYTES} are allowed",
            hint="write the data to a file and store its path and hash",
        )


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
