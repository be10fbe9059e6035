"""The kinds of work for the writer of a SQLite store.

A change first says what refuses it (`refusal`) and only then changes rows (`apply`), so that a
conflict leaves nothing behind and a batch can ask all of its changes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from holdfast.storage.keys import encode_key
from holdfast.storage.seam import ANY, Conflict, Record
from holdfast.storage.sqlite.transaction import Log, Times, Transaction
from holdfast.storage.watchers import Watchers


class Work(Protocol):
    """Something for the writer to do, with an answer for the caller."""

    def run(self, transaction: Transaction) -> object:
        """Do it within the transaction and return the answer."""
        ...

    def targets(self) -> Iterable[bytes]:
        """Return the keys and names that it may have changed."""
        ...


class Change(Protocol):
    """A write of one record or one log."""

    @property
    def target(self) -> bytes:
        """Return the encoded key or name."""
        ...

    def refusal(self, transaction: Transaction) -> int | None:
        """Return what is stored if that refuses the change, else None."""
        ...

    def apply(self, transaction: Transaction) -> object:
        """Change the rows and return the answer of the verb."""
        ...


class PutChange:
    """Create or replace a record."""

    __slots__ = ("_expected", "_row", "_times", "_value", "target")

    def __init__(self, key: bytes, value: bytes, expected: int, times: Times) -> None:
        self.target = key
        self._value = value
        self._expected = expected
        self._times = times
        self._row: int | None = None

    def refusal(self, transaction: Transaction) -> int | None:
        self._row, current = transaction.find(self.target)
        return None if self._expected in (ANY, current) else current

    def apply(self, transaction: Transaction) -> int:
        return transaction.write(self._row, self.target, self._times, self._value)


class DeleteChange:
    """Remove a record."""

    __slots__ = ("_expected", "_row", "target")

    def __init__(self, key: bytes, expected: int) -> None:
        self.target = key
        self._expected = expected
        self._row: int | None = None

    def refusal(self, transaction: Transaction) -> int | None:
        self._row, current = transaction.find(self.target)
        return None if self._expected in (ANY, current) else current

    def apply(self, transaction: Transaction) -> None:
        if self._row is not None:
            transaction.remove(self._row)


class AppendChange:
    """Add entries to a log."""

    __slots__ = ("_entries", "_expected", "_log", "target")

    def __init__(self, name: bytes, entries: Sequence[bytes], expected: int) -> None:
        self.target = name
        self._entries = entries
        self._expected = expected
        self._log: Log | None = None

    def refusal(self, transaction: Transaction) -> int | None:
        self._log = transaction.log(self.target)
        return None if self._expected in (ANY, self._log.last) else self._log.last

    def apply(self, transaction: Transaction) -> int:
        assert self._log is not None
        return transaction.extend(self._log, self.target, self._entries)


class EraseChange:
    """Remove a log."""

    __slots__ = ("_expected", "_log", "target")

    def __init__(self, name: bytes, expected: int) -> None:
        self.target = name
        self._expected = expected
        self._log: Log | None = None

    def refusal(self, transaction: Transaction) -> int | None:
        self._log = transaction.log(self.target)
        return None if self._expected in (ANY, self._log.last) else self._log.last

    def apply(self, transaction: Transaction) -> None:
        assert self._log is not None
        if self._log.last:
            transaction.erase(self._log)


class Single:
    """One change on its own."""

    __slots__ = ("_change",)

    def __init__(self, change: Change) -> None:
        self._change = change

    def run(self, transaction: Transaction) -> object:
        current = self._change.refusal(transaction)
        return self._change.apply(transaction) if current is None else Conflict(current)

    def targets(self) -> Iterable[bytes]:
        return (self._change.target,)


class Batch:
    """Several changes, all or none."""

    __slots__ = ("_changes",)

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes

    def run(self, transaction: Transaction) -> Conflict | None:
        for index, change in enumerate(self._changes):
            current = change.refusal(transaction)
            if current is not None:
                return Conflict(current, index)
        for change in self._changes:
            change.apply(transaction)
        return None

    def targets(self) -> Iterable[bytes]:
        return (change.target for change in self._changes)


class Claim:
    """Lease the record of a queue that has been due longest."""

    __slots__ = ("_claimed", "_queue", "_until")

    def __init__(self, queue: bytes, until: int) -> None:
        self._queue = queue
        self._until = until
        self._claimed: Record | None = None

    def run(self, transaction: Transaction) -> Record | None:
        self._claimed = transaction.claim(self._queue, self._until)
        return self._claimed

    def targets(self) -> Iterable[bytes]:
        return (encode_key(self._claimed.key),) if self._claimed else ()


class Look:
    """Tell all watchers if another connection has committed since the last look."""

    __slots__ = ("_watchers",)

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers

    def run(self, transaction: Transaction) -> None:
        # Here and not by whoever asked, who may be gone before the answer arrives.
        if transaction.has_foreign_commit():
            self._watchers.tell_all()

    def targets(self) -> Iterable[bytes]:
        return ()
