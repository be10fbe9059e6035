"""The lines of the journal: JSON objects that carry their own proof.

A line is `{"n":…,"s":…,"v":…,"t":…,"p":"…","o":[…],"c":"…"}` and ends with a newline:

- `n`: its sequence number, 1 for the first line of a store and one more for each
- `s`: the number of the last line that its writer knew to be on the disk
- `v`: the greatest version of a record that was given out by then
- `t`: when it was written, in milliseconds of the epoch
- `p`: the hash of the line before it (BLAKE2b, 128 bits), which makes the journal a chain
- `o`: its operations, all of which happened or none
- `c`: the CRC-32 of everything before this field

The operations are arrays: `["put", key, version, value, expires_at, due_at]` (the last two only
when they are set), `["delete", key, version]`, `["append", log, first number, [values]]`,
`["erase", log, last number]` (since format 2: all entries up to that number are gone), and those of
the journal itself: `["segment", …]`, `["seal"]`, `["lost", …]`. A value is a string when its bytes
are UTF-8, else `{"b": base64}`.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from binascii import crc32
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any, Final, TypeAlias, cast

from holdfast.storage.seam import Key

try:
    # What `hashlib` hands out, without the library that it loads for others: 2 ms of each command.
    from _blake2 import blake2b
except ImportError:  # another Python than CPython
    from hashlib import blake2b

FORMAT = 2
"""The version of this format; it stands in the first line of each segment."""

START: Final = "0" * 32
"""The hash before the first line."""

Fields: TypeAlias = list[Any]
"""One operation as JSON has it."""

_CRC_FIELD = b',"c":"'
_TRAILER = len(b',"c":"01234567"}\n')
_HEAD: Final[re.Pattern[bytes]] = re.compile(
    rb'\{"n":([0-9]+),"s":([0-9]+),"v":([0-9]+),"t":(-?[0-9]+),"p":"([0-9a-f]*)","o":\['
)
_LONGEST_HEAD = 200
_SEAL = b'"o":[["seal"]]'
_HEADER = b'"o":[["segment",'
_LOST = b'"o":[["lost",'


class Line:
    """A line that was read and whose checksum is right.

    What stands in front of the operations is read at once, the rest when somebody asks for it:
    most lines of other processes are only passed by while the lock of all writers is held.
    """

    __slots__ = ("data", "number", "previous", "synced", "version", "written_at")

    def __init__(self, data: bytes, head: Sequence[bytes]) -> None:
        number, synced, version, written_at, previous = head
        self.data = data
        self.number = int(number)
        self.synced = int(synced)
        self.version = int(version)
        self.written_at = int(written_at)
        self.previous = previous.decode()

    @property
    def hash(self) -> str:
        """The hash by which the next line refers to this one."""
        return line_hash(self.data)

    @property
    def operations(self) -> list[Fields]:
        """What the line does.

        Raises:
            BadLine: the operations are no JSON, though the checksum is right.
        """
        start = self.data.index(b'"o":', 0, _LONGEST_HEAD) + 4
        try:
            return json.loads(self.data[start:-_TRAILER])
        except (ValueError, RecursionError) as error:
            raise BadLine("the line is no JSON object of a journal") from error

    @property
    def is_seal(self) -> bool:
        """Whether it is the last line of its segment."""
        return self.data[-_TRAILER - len(_SEAL) : -_TRAILER] == _SEAL

    @property
    def is_header(self) -> bool:
        """Whether it is the first line of its segment."""
        return self.data.startswith(_HEADER, self.data.index(b'"o":', 0, _LONGEST_HEAD))

    @property
    def is_lost(self) -> bool:
        """Whether it stands for lines that could not be repaired."""
        return self.data.startswith(_LOST, self.data.index(b'"o":', 0, _LONGEST_HEAD))


class BadLine(ValueError):
    """The bytes are no line of a journal."""


def write_line(
    number: int, operations: str, *, synced: int, version: int, written_at: int, previous: str
) -> tuple[bytes, str]:
    """Return the bytes of a line and its hash. `operations` is the inside of the array."""
    body = (
        f'{{"n":{number},"s":{synced},"v":{version},"t":{written_at},'
        f'"p":"{previous}","o":[{operations}]'
    ).encode()
    data = b'%b,"c":"%08x"}\n' % (body, crc32(body))
    return data, line_hash(data)


def line_hash(data: bytes) -> str:
    """Return the hash by which the next line refers to this one."""
    return blake2b(data, digest_size=16).hexdigest()


def read_line(data: bytes) -> Line:
    """Return the line that the bytes hold, with its newline.

    Raises:
        BadLine: the bytes are damaged, or no line at all.
    """
    if data[-1:] != b"\n" or not has_checksum(data[:-1]):
        raise BadLine("the checksum is wrong")
    head = _HEAD.match(data)
    if head is None:
        raise BadLine("the line is no JSON object of a journal")
    return Line(data, head.groups())


def has_checksum(line: bytes) -> bool:
    """Return whether a line, without its newline, has the checksum that it says."""
    body = line[: 1 - _TRAILER]
    return line[1 - _TRAILER :] == b'%b%08x"}' % (_CRC_FIELD, crc32(body))


def write_key(key: Key) -> str:
    """Return a key as JSON."""
    return "[" + ",".join(map(encode_basestring, key)) + "]"


def write_value(value: bytes) -> str:
    """Return a value as JSON."""
    try:
        text = encode_basestring(str(value, "utf-8"))
    except UnicodeDecodeError:
        return _write_binary(value)
    # Control characters take six bytes each.
    return text if len(text) <= 2 * len(value) + 2 else _write_binary(value)


def _write_binary(value: bytes) -> str:
    return '{"b":"' + b64encode(value).decode() + '"}'


def read_value(field: object) -> bytes:
    """Return the value that `write_value` wrote."""
    if isinstance(field, str):
        return field.encode()
    return b64decode(cast("dict[str, str]", field)["b"])


def write_values(values: Sequence[bytes]) -> str:
    """Return several values as a JSON array."""
    if len(values) == 1:  # a step's event
        return f"[{write_value(values[0])}]"
    return "[" + ",".join(map(write_value, values)) + "]"
