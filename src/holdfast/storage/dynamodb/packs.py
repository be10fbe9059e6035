"""Pack the entries of one append into items.

A pack holds the entries of one append, each behind its length. If they do not fit into one item,
they are in *parts*, items of their own that nobody sees before the pack names them. So however
many entries there are, they appear with one write: that of the pack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.storage.dynamodb.items import Item, Names, number, text

MAX_DATA_BYTES = 390 * 1024
"""What a pack or a part holds at most; an entry of the greatest length and its length fit."""

_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Pack:
    """The entries of one append to a log, not yet numbered."""

    partition: str
    token: str
    count: int
    data: Sequence[bytes]

    @property
    def parts(self) -> Sequence[Item]:
        """The items that must be there before the pack itself."""
        if len(self.data) == 1:
            return ()
        return [
            {**self._key(f"b{self.token}{place:08x}"), "d": {"B": data}}
            for place, data in enumerate(self.data)
        ]

    def item(self, end: int) -> Item:
        """Return the item that puts the entries behind the number `end`."""
        content: dict[str, Any] = (
            {"d": {"B": self.data[0]}} if len(self.data) == 1 else {"k": number(len(self.data))}
        )
        return {
            **self._key(first_text(end + 1)),
            "n": number(end + self.count),
            "w": text(self.token),
            **content,
        }

    def _key(self, sort: str) -> Item:
        return {"p": text(self.partition), "s": text(sort)}


def make_pack(names: Names, log: str, entries: Sequence[bytes], token: str) -> Pack:
    """Return the entries as a pack."""
    return Pack(names.log(log), token, len(entries), tuple(_join(entries)))


def first_text(number: int) -> str:
    """Return the sort key of the pack that begins with an entry."""
    return f"e{number:016x}"


def first_of(item: Item) -> int:
    """Return the number of the first entry of a pack."""
    return int(item["s"]["S"][1:], 16)


def last_of(item: Item) -> int:
    """Return the number of the last entry of a pack."""
    return int(item["n"]["N"])


def parts_query(item: Item) -> dict[str, Any] | None:
    """Return the query for the parts of a pack, None if it holds its entries itself."""
    if "k" not in item:
        return None
    return {
        "ConsistentRead": True,
        "KeyConditionExpression": "p = :p AND begins_with(s, :s)",
        "ExpressionAttributeValues": {":p": item["p"], ":s": text(f"b{item['w']['S']}")},
    }


def split(items: Iterable[Item]) -> Iterator[bytes]:
    """Return the entries in a pack or in its parts."""
    for item in items:
        data, start = bytes(item["d"]["B"]), 0
        while start < len(data):
            begin = start + _LENGTH_BYTES
            start = begin + int.from_bytes(data[start:begin])
            yield data[begin:start]


def _join(entries: Sequence[bytes]) -> Iterator[bytes]:
    held, size = list[bytes](), 0
    for entry in entries:
        grown = size + _LENGTH_BYTES + len(entry)
        if held and grown > MAX_DATA_BYTES:
            yield b"".join(held)
            held, grown = [], grown - size
        held += (len(entry).to_bytes(_LENGTH_BYTES), bytes(entry))
        size = grown
    yield b"".join(held)
