"""What callers ask of the writing thread: verbs, prepared as far as that goes without the lock.

A request first says what refuses it (`refusal`) and only then changes the draft (`perform`), so that
a batch can ask all of its requests first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

from holdfast.storage.files.drafts import Draft
from holdfast.storage.files.lines import write_key, write_value, write_values
from holdfast.storage.files.tail import DELETED, Cell, Change, End, Erased, Extended, Stored
from holdfast.storage.keys import decode_key, encode_key
from holdfast.storage.seam import ANY, Conflict, Key, Record


@lru_cache(maxsize=4096)  # the logs of the runs under way are named again with every step
def _named(key: Key) -> tuple[bytes, str, bytes]:
    """Return a key as the store, as a line, and as a search through lines has it."""
    text = write_key(key)
    return encode_key(key), text, text.encode()


class PutRequest:
    """Create or replace a record."""

    __slots__ = (
        "_due_at",
        "_expected",
        "_expires_at",
        "_head",
        "_name",
        "_value",
        "_written",
        "key",
    )

    def __init__(
        self,
        key: Key,
        value: bytes,
        expected: int,
        expires_at: int | None,
        due_at: int | None,
    ) -> None:
        self.key, name, self._name = _named(key)
        self._value = bytes(value)
        self._expected = expected
        self._expires_at = expires_at
        self._due_at = due_at
        self._head = f'["put",{name},'
        self._written = write_value(value) + _times(expires_at, due_at) + "]"

    def refusal(self, draft: Draft) -> int | None:
        """Return what is there if that refuses the request."""
        if self._expected == ANY:
            return None
        current = draft.current(self.key, self._name)
        return None if self._expected == current else current

    def perform(self, draft: Draft) -> tuple[str, Change, int]:
        """Return the operation as JSON, what it changes, and the answer of the verb."""
        version = draft.next_version()
        cell = Cell(self._value, version, self._expires_at, self._due_at)
        return f"{self._head}{version},{self._written}", Stored(self.key, cell), version


class DeleteRequest:
    """Remove a record."""

    __slots__ = ("_expected", "_head", "_name", "key")

    def __init__(self, key: Key, expected: int) -> None:
        self.key, name, self._name = _named(key)
        self._expected = expected
        self._head = f'["delete",{name},'

    def refusal(self, draft: Draft) -> int | None:
        """Return what is there if that refuses the request."""
        if self._expected == ANY:
            return None
        current = draft.current(self.key, self._name)
        return None if self._expected == current else current

    def perform(self, draft: Draft) -> tuple[str, Change, None] | None:
        """Return the operation and what it changes; None if there is nothing to remove."""
        version = draft.current(self.key, self._name)
        if not version:
            return None
        return f"{self._head}{version}]", Stored(self.key, DELETED), None


class AppendRequest:
    """Add entries to a log. By itself it is work too: a batch of one, of which there are most."""

    __slots__ = ("_end", "_expected", "_name", "_text", "_values", "_written", "key")

    records = ()
    """It compares no record."""

    def __init__(self, log: Key, entries: Sequence[bytes], expected: int) -> None:
        self.key, self._text, self._name = _named(log)
        # Other kinds of buffers may change; to ask `bytes` of bytes takes twice as long.
        self._values = tuple([each if type(each) is bytes else bytes(each) for each in entries])
        self._expected = expected
        self._end: End
        self._written = write_values(self._values)

    def refusal(self, draft: Draft) -> int | None:
        """Return what is there if that refuses the request."""
        self._end = end = draft.log_end(self.key, self._name)
        last = max(0, end)
        return None if self._expected in (ANY, last) else last

    def perform(self, draft: Draft) -> tuple[str, Change, int] | int:  # noqa: ARG002 - the others need it
        """Return the operation, what it changes, and the answer, or only the answer."""
        values, end = self._values, self._end
        if not values:
            return max(end, 0)
        first = abs(end) + 1
        operation = f'["append",{self._text},{first},{self._written}]'
        return operation, Extended(self.key, first, values), first + len(values) - 1

    def run(self, draft: Draft) -> Conflict | None:
        """Do it in the draft and return what a batch of it answers."""
        current = self.refusal(draft)
        if current is not None:
            return Conflict(current)
        performed = self.perform(draft)
        if isinstance(performed, tuple):
            draft.add_one(performed[0], performed[1])
        return None


class EraseRequest:
    """Remove a log."""

    __slots__ = ("_end", "_expected", "_head", "_name", "key")

    def __init__(self, log: Key, expected: int) -> None:
        self.key, name, self._name = _named(log)
        self._expected = expected
        self._end: End
        self._head = f'["erase",{name},'

    def refusal(self, draft: Draft) -> int | None:
        """Return what is there if that refuses the request."""
        self._end = end = draft.log_end(self.key, self._name)
        last = max(0, end)
        return None if self._expected in (ANY, last) else last

    def perform(self, draft: Draft) -> tuple[str, Change, None] | None:
        """Return the operation and what it changes; None if there is nothing to remove."""
        last = self._end
        if last <= 0:
            return None
        draft.needs_format = True
        return f"{self._head}{last}]", Erased(self.key, last), None


Request = PutRequest | DeleteRequest | AppendRequest | EraseRequest

_OF_LOGS = (AppendRequest, EraseRequest)


class Single:
    """One request on its own."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    @property
    def records(self) -> Sequence[bytes]:
        """The keys of the records that it compares."""
        return () if isinstance(self._request, _OF_LOGS) else (self._request.key,)

    def run(self, draft: Draft) -> object:
        """Do it in the draft and return the answer of the verb."""
        current = self._request.refusal(draft)
        if current is not None:
            return Conflict(current)
        answer = performed = self._request.perform(draft)
        if isinstance(performed, tuple):
            operation, change, answer = performed
            draft.add_one(operation, change)
        return answer


class Batch:
    """Several requests, all or none."""

    __slots__ = ("_requests",)

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = requests

    @property
    def records(self) -> Sequence[bytes]:
        """The keys of the records that it compares."""
        return [each.key for each in self._requests if not isinstance(each, _OF_LOGS)]

    def run(self, draft: Draft) -> Conflict | None:
        """Do it in the draft and return the answer of the verb."""
        for index, request in enumerate(self._requests):
            current = request.refusal(draft)
            if current is not None:
                return Conflict(current, index)
        operations: list[str] = []
        changes: list[Change] = []
        for request in self._requests:
            performed = request.perform(draft)
            if isinstance(performed, tuple):
                operations.append(performed[0])
                changes.append(performed[1])
        if operations:
            draft.add(operations, changes)
        return None


class Claim:
    """Take the next due record of a queue."""

    __slots__ = ("_queue", "_until")

    def __init__(self, queue: bytes, until: int) -> None:
        self._queue = queue
        self._until = until

    @property
    def records(self) -> Sequence[bytes]:
        """Nothing is compared with."""
        return ()

    def run(self, draft: Draft) -> Record | None:
        """Do it in the draft and return the record."""
        due = draft.next_due(self._queue)
        if due is None:
            return None
        key, cell = decode_key(due.key), due.cell
        assert cell.value is not None
        put = PutRequest(key, cell.value, ANY, cell.expires_at, self._until)
        operation, change, version = put.perform(draft)
        draft.add_one(operation, change)
        return Record(key, cell.value, version, cell.expires_at, self._until)


Work = Single | Batch | AppendRequest | Claim


def compared_keys(group: Sequence[Work]) -> Iterator[bytes]:
    """Give the keys of the records that a group compares."""
    return chain.from_iterable(work.records for work in group)


def _times(expires_at: int | None, due_at: int | None) -> str:
    if expires_at is None and due_at is None:
        return ""
    return f",{_time(expires_at)},{_time(due_at)}"


def _time(time: int | None) -> str:
    return "null" if time is None else str(time)
