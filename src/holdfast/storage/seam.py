"""The storage seam: six verbs over versioned records and append-only logs.

A *record* is a key, bytes and a version. A *log* is a named sequence of entries, numbered
without gaps and never rewritten; the first one is 1, unless the log was erased before. Keys (and names of logs) are tuples of strings;
records and logs live in separate name spaces. Everything that knows the word "run" lives above.

A refused write is a value (`Conflict`); a broken disk or connection is a `StorageError`.
An acknowledged write survives what the store's `ack` level promises: `"disk"` a power cut,
`"os"` the death of the process, `"memory"` nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, runtime_checkable

from holdfast.frozen import frozen

if TYPE_CHECKING:
    from asyncio import Future  # commands that only look never load it
    from contextlib import AbstractAsyncContextManager

    from typing_extensions import TypeIs

Key = tuple[str, ...]
Ack = Literal["memory", "os", "disk"]

ABSENT = 0
"""`expected` of a write that must create: no live record, or an empty log."""

ANY = -1
"""`expected` of a write that takes whatever is there. Only for data that is derived."""


@frozen(kw_only=False)
class Record:
    """What is stored under a key. `version` is at least 1 and only grows.

    Times are in milliseconds of the epoch: from `expires_at` on the record is absent, from
    `due_at` on it may be claimed.
    """

    key: Key
    value: bytes
    version: int
    expires_at: int | None = None
    due_at: int | None = None


@frozen(kw_only=False)
class Entry:
    """One entry of a log. `number` has no gaps, and starts at 1 in a log that was never erased."""

    number: int
    value: bytes


@frozen(kw_only=False)
class Conflict:
    """A write that was refused because `current` is not what the caller expected.

    `current` is the stored version (0: no record) or the number of the log's last entry (0: none).
    `index` is the place of the refused operation within a batch.
    """

    current: int
    index: int = 0


class Store(Protocol):
    """Versioned records and logs. All verbs may be called at once from many tasks."""

    @property
    def max_value_bytes(self) -> int:
        """The longest value of a record or an entry; a longer one is a `UsageError`."""
        ...

    async def get(self, key: Key) -> Record | None:
        """Return the record, or None if there is none or it has expired. Never waits for a writer."""
        ...

    async def put(
        self,
        key: Key,
        value: bytes,
        *,
        expected: int,
        expires_at: int | None = None,
        due_at: int | None = None,
    ) -> int | Conflict:
        """Write if the stored version equals `expected`; return the new version.

        Versions only grow, also across delete and re-create. An expired record counts as absent.
        `expires_at` and `due_at` replace what was there, see `Record`.
        """
        ...

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        """Remove the record if its version equals `expected`; it leaves no trace to readers.

        Deleting what is absent with `expected=ABSENT` or `ANY` succeeds and does nothing.
        """
        ...

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        """Return up to `limit` live records whose key starts with the parts of `prefix`.

        They come in key order (part by part, by code point), beginning behind `after`. A shorter
        page than `limit` is the last one. A record that does not change is neither skipped nor
        repeated, whatever else is written between two pages.
        """
        ...

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        """Add entries behind the last one, together or not at all; return the last number.

        With `expected` the write is refused unless the log's last number equals it.
        """
        ...

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        """Return the entries numbered above `after`, in order, at most `limit` of them."""
        ...

    async def __aenter__(self) -> Self:
        """Open the store."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what was accepted and close."""
        ...


@frozen
class Put:
    """A `put` inside a batch."""

    key: Key
    value: bytes
    expected: int
    expires_at: int | None = None
    due_at: int | None = None


@frozen
class Delete:
    """A `delete` inside a batch."""

    key: Key
    expected: int


@frozen
class Append:
    """An `append` inside a batch."""

    log: Key
    entries: Sequence[bytes]
    expected: int = ANY


Operation = Put | Delete | Append


@runtime_checkable
class Batching(Protocol):
    """The ability to write several records and logs atomically."""

    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        """Apply all operations or none; a conflict names the first one that was refused.

        The conditions are checked against the state before the batch; no two operations of one
        batch may name the same key or log.
        """
        ...


def can_batch(store: object) -> TypeIs[Batching]:
    """Tell what `isinstance(store, Batching)` does, in a hundredth of the time.

    Python 3.11 looks through the members of the protocol again for each question, and every change of
    a task asks several times.
    """
    return hasattr(store, "batch")


@runtime_checkable
class Bounded(Batching, Protocol):
    """The ability to batch, with a limit to how many operations go into one."""

    @property
    def max_operations(self) -> int:
        """The most operations of one batch; more are a `UsageError`."""
        ...


@runtime_checkable
class Submitting(Batching, Protocol):
    """The ability to take a batch without a coroutine, for writers that have many under way."""

    def submit(self, operations: Sequence[Operation]) -> Future[Conflict | None]:
        """Begin a `batch` now and return its answer to come.

        The batch goes on also if nobody waits for the answer, and cancelling that does nothing: a
        task that waits for it and is cancelled hears of it when the batch has ended.
        """
        ...


def can_submit(store: object) -> TypeIs[Submitting]:
    """Tell what `isinstance(store, Submitting)` does, as `can_batch` does."""
    return hasattr(store, "submit") and can_batch(store)


@runtime_checkable
class Claiming(Protocol):
    """The ability to find the next due record without looking at the others."""

    async def claim(self, queue: Key, *, until: int) -> Record | None:
        """Take the record directly below `queue` that has been due longest; None if none is due.

        Directly below means that its key is `queue` and one more part. Ties go in key order. The
        claim is a write: `due_at` becomes `until` and the version grows; `value` and `expires_at`
        stay. The new version is the *fencing number* of the lease. The holder goes on by `put` or
        `delete` with that version as `expected` (a put with a later `due_at` renews the lease and
        gives a new number, one without `due_at` takes the record out of the queue). Once the lease
        has ended, the record is due again, and the number of its next holder refuses this one.
        """
        ...


class Changes(Protocol):
    """What a watcher waits on."""

    async def wait(self) -> None:
        """Return once something may have changed since the last return, or since the beginning.

        No change is missed, several may be told as one, and some of the calls may return for
        nothing: look at the store to know.
        """
        ...


@runtime_checkable
class Watching(Protocol):
    """The ability to learn of changes without asking again and again."""

    def watch(self, prefix: Key) -> AbstractAsyncContextManager[Changes]:
        """Watch the records and logs whose key starts with `prefix`, whoever changes them."""
        ...


@runtime_checkable
class Erasing(Protocol):
    """The ability to remove a log."""

    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        """Remove all entries of a log if the number of its last one equals `expected`.

        Readers then see an empty log: it has no entries and no name in `logs`, and `ABSENT` is what
        an append to it has to expect. But numbers only grow, as versions do: an append that begins
        the log again gets the number behind the last one that was erased. So no number ever names two
        entries, and a late writer that expects one of the erased ones is refused.
        Erasing what is empty with `expected=ABSENT` or `ANY` succeeds and does nothing.
        """
        ...


@runtime_checkable
class Listing(Protocol):
    """The ability to name the logs, for export and for looking around."""

    async def logs(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Key]:
        """Return the names of up to `limit` logs that have entries, as `scan` returns records."""
        ...
