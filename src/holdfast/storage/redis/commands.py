"""Turn verbs into commands and their replies into values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from holdfast.errors import HoldfastError, UsageError
from holdfast.storage.keys import decode_key, encode_key, encode_prefix, successor
from holdfast.storage.redis.link import Command, Reply
from holdfast.storage.redis.scripts import CLAIM, ERASE, READ, SCAN, WRITE
from holdfast.storage.seam import Append, Conflict, Delete, Key, Operation, Put, Record

MOST_REQUEST_BYTES = 512 * 1024 * 1024
"""The longest batch. A server cuts a client off at 1 GB (`client-query-buffer-limit`)."""

MOST_NAMES = 5000
"""How many names of logs one command may ask for; the scripts bound their own work."""

_NO_LIMIT = 2**53

_FIELDS = (b"value", b"version", b"expires_at", b"due_at")


@dataclass(frozen=True, slots=True)
class Page:
    """Records, and behind which key to go on unless they are the last ones."""

    records: list[Record]
    more: bool
    behind: bytes


class Commands:
    """The commands of one store. `corrupt` makes the error for a reply that makes no sense."""

    def __init__(self, prefix: str, database: int, corrupt: Callable[[], HoldfastError]) -> None:
        self._prefix = f"{prefix}:".encode()
        self.channel = f"{prefix}:changes:{database}:".encode()
        self._corrupt = corrupt

    def get(self, encoded: bytes) -> Command:
        return (b"HMGET", self._prefix + b"record:" + encoded, *_FIELDS)

    def write(self, operations: Sequence[Operation], now: int) -> Command:
        """Return the command for a batch.

        Raises:
            UsageError: the batch is longer than a server takes.
        """
        command = [*self._script(b"EVALSHA", WRITE.digest), self.channel, _digits(now)]
        for operation in operations:
            command += _arguments(operation)
        size = sum(map(len, command))
        if size > MOST_REQUEST_BYTES:
            raise UsageError(
                f"the values of one write to Redis take {size} bytes together; "
                f"{MOST_REQUEST_BYTES} are allowed",
                hint="write them in several steps, or store the path and hash of a file",
            )
        return tuple(command)

    def claim(self, queue: Key, until: int, now: int) -> Command:
        head = self._script(b"EVALSHA", CLAIM.digest)
        return (*head, self.channel, _digits(now), encode_prefix(queue), _digits(until))

    def scan(self, bounds: tuple[bytes, bytes], limit: int, now: int) -> Command:
        head = self._script(b"EVALSHA_RO", SCAN.digest)
        return (*head, _digits(now), *bounds, _digits(limit))

    def read(self, log: bytes, after: int, limit: int | None) -> Command:
        head = self._script(b"EVALSHA_RO", READ.digest)
        return (*head, log, _digits(after), _digits(_NO_LIMIT if limit is None else limit))

    def erase(self, log: bytes, expected: int, now: int) -> Command:
        head = self._script(b"EVALSHA", ERASE.digest)
        return (*head, self.channel, _digits(now), log, _digits(expected))

    def logs(self, bounds: tuple[bytes, bytes], limit: int) -> Command:
        return (b"ZRANGEBYLEX", self._prefix + b"logs", *bounds, b"LIMIT", b"0", _digits(limit))

    def record(self, key: Key, fields: Reply, now: int | None) -> Record | None:
        """Return the record of four fields, None if it is absent or has expired by `now`."""
        value, version, expires_at, due_at = fields
        if version is None:
            return None
        try:
            expires = None if expires_at is None else int(expires_at)
            due = None if due_at is None else int(due_at)
            record = Record(key, value, int(version), expires, due)
        except ValueError:
            raise self._corrupt() from None
        if value is None:
            raise self._corrupt()
        is_expired = now is not None and expires is not None and expires <= now
        return None if is_expired else record

    def claimed(self, reply: Reply, until: int) -> Record:
        """Return the record of a claim that was successful."""
        _, encoded, value, version, expires_at = reply
        key = decode_key(encoded)
        # It was alive when it was claimed, whatever the time is now.
        record = self.record(key, (value, version, expires_at, until), None)
        if record is None:
            raise self._corrupt()
        return record

    def page(self, reply: Reply) -> Page:
        """Return the records of a page, all of which were alive when the script looked."""
        more, behind, flat = reply
        rows = [flat[start : start + 5] for start in range(0, len(flat), 5)]
        found = [self.record(decode_key(row[0]), row[1:], None) for row in rows]
        return Page([record for record in found if record], bool(more), behind)

    def _script(self, verb: bytes, digest: bytes) -> Command:
        return (verb, digest, b"0", self._prefix)


def outcome(reply: Reply) -> int | Conflict:
    """Return what a write came to: the number of its last operation, or what refused it."""
    return int(reply[1]) if reply[0] else Conflict(int(reply[2]), reply[1])


def conflict(reply: Reply) -> Conflict | None:
    """Return what refused a write, if anything did."""
    return None if reply[0] else Conflict(int(reply[2]), reply[1])


def bounds(prefix: Key, after: Key | None) -> tuple[bytes, bytes]:
    """Return the lowest and the highest key of a scan, as `ZRANGEBYLEX` takes them."""
    low = encode_prefix(prefix)
    high = successor(low)
    start = b"[" + low
    if after is not None and (last := encode_key(after)) >= low:
        start = b"(" + last
    return start, b"+" if high is None else b"(" + high


def _arguments(operation: Operation) -> list[bytes]:
    match operation:
        case Put(key=key, value=value, expected=expected):
            times = [_optional(operation.expires_at), _optional(operation.due_at)]
            return [b"put", encode_key(key), _digits(expected), bytes(value), *times]
        case Delete(key=key, expected=expected):
            return [b"delete", encode_key(key), _digits(expected)]
        case Append(log=log, entries=entries, expected=expected):
            head = [b"append", encode_key(log), _digits(expected), _digits(len(entries))]
            return head + list(map(bytes, entries))
        case _:
            assert_never(operation)


def _digits(number: int) -> bytes:
    """Return the number as the server takes it; what is none fails here and not on its way."""
    return b"%d" % number


def _optional(time: int | None) -> bytes:
    return b"" if time is None else _digits(time)
