"""What the items of the table look like.

======  ==================  =================  =====================================
item    p (partition key)   s (sort key)       other attributes
======  ==================  =================  =====================================
record  `r:` prefix         key                v, w, d; e, t; q, u
name    `n:` prefix         name of a log
pack    `l:` prefix, name   `e` first number   n last number, w, d or k
part    `l:` prefix, name   `b` token, place   d
format  `m:` prefix         `format`           v
======  ==================  =================  =====================================

`v` version, `w` token of the write that made this state, `d` data (a record without it was
deleted), `e` expiry in milliseconds, `t` expiry for the server's clean-up in seconds, `q` queue
and `u` due time and last part of the key (both are in the index `due`), `k` number of parts.

Keys are strings, not binaries: the bytes of an encoded key are UTF-8, which is what DynamoDB
sorts strings by, and they can be read in its console. Moto sorts binaries by their base64 text.

All records of a store are one partition, so that a scan is one consistent query. DynamoDB
serves 1000 writes a second of it, and more when it has split it by itself. A partition for each
first part of the keys would raise that by their number only, which is small, and every scan
would have to read the list of them; a queue has the same limit in its index anyway. Logs, which
get most of the writes, have a partition each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from holdfast.storage.keys import decode_key, encode_key, encode_prefix
from holdfast.storage.seam import Key, Record

Item: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Attributes by name, each value as a mapping from its type to it."""

MAX_ITEM_BYTES = 400 * 1024
"""What DynamoDB allows for an item, the names of its attributes included."""

MAX_VALUE_BYTES = 380 * 1024
"""What always fits: the longest keys, prefix and names around it take less than 6 KiB."""

MAX_SORT_KEY_BYTES = 1024
KEEP_SECONDS = 24 * 60 * 60
"""How long what has ended stays, invisible, so that the next version is greater."""

_EPOCH = 1 << 63  # makes times before 1970 sort before the others


def text(value: str) -> Mapping[str, str]:
    """Return a string as an attribute."""
    return {"S": value}


def number(value: int) -> Mapping[str, str]:
    """Return a number as an attribute."""
    return {"N": str(value)}


class Names:
    """The partitions of a store and the keys of its items."""

    def __init__(self, prefix: str) -> None:
        self.records = f"r:{prefix}"
        self.log_names = f"n:{prefix}"
        self.format = {"p": text(f"m:{prefix}"), "s": text("format")}
        self._prefix = prefix

    def record(self, key: Key) -> Item:
        """Return the key of a record's item."""
        return {"p": text(self.records), "s": text(key_text(key))}

    def log_name(self, log: str) -> Item:
        """Return the key of the item that names a log."""
        return {"p": text(self.log_names), "s": text(log)}

    def log(self, log: str) -> str:
        """Return the partition of a log's entries."""
        return f"l:{self._prefix}\x00{log}"

    def queue(self, queue: Key) -> str:
        """Return the partition of a queue in the index of due records."""
        return f"q:{self._prefix}\x00{encode_prefix(queue).decode()}"


def key_text(key: Key) -> str:
    """Return an encoded key as a string that sorts as the key does."""
    return encode_key(key).decode()


def key_of(item: Item) -> Key:
    """Return the key of a record, or the name of a log, from its item."""
    return decode_key(str(item["s"]["S"]).encode())


def due_text(due_at: int, key: Key = ()) -> str:
    """Return what sorts by the time and then by the last part of `key`."""
    last = encode_prefix(key[-1:])[: MAX_SORT_KEY_BYTES - 16]
    return f"{due_at + _EPOCH:016x}" + last.decode(errors="ignore")


def due_time(item: Item) -> int | None:
    """Return when a record is due."""
    return int(item["u"]["S"][:16], 16) - _EPOCH if "u" in item else None


def version_of(item: Item | None) -> int:
    """Return the version of an item, also of one that is deleted or has expired."""
    return int(item["v"]["N"]) if item else 0


def is_live(item: Item | None, now: int) -> bool:
    """Return whether a reader sees the record."""
    return item is not None and "d" in item and ("e" not in item or now < int(item["e"]["N"]))


def record_of(item: Item) -> Record:
    """Return the record of a live item."""
    return Record(
        key=key_of(item),
        value=bytes(item["d"]["B"]),
        version=version_of(item),
        expires_at=int(item["e"]["N"]) if "e" in item else None,
        due_at=due_time(item),
    )


def item_size(item: Item) -> int:
    """Return what DynamoDB counts for an item, or a little more.

    Source: "DynamoDB item sizes and formats" of its developer guide: names and strings in UTF-8,
    a number one byte for two digits and one more.
    """
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return len(content) // 2 + 2
        case "B":
            return len(content)
        case _:
            return len(content.encode())
