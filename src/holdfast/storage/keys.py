"""Turn keys into bytes that sort as the keys do and that no neighbour can forge.

Each part is written as UTF-8 with the bytes 0 and 1 escaped, and ends with a 0 byte. So the
bytes of `("a",)` are a prefix of those of `("a", "b")` and never of those of `("a:b",)`, and
the order of the bytes is the order of the tuples by code point.
"""

from __future__ import annotations

from functools import lru_cache

from holdfast.errors import UsageError
from holdfast.storage.seam import Key

MAX_KEY_BYTES = 1024
"""The longest encoded key that every backend can hold."""


@lru_cache(maxsize=4096)  # the logs of the runs under way are named again with every step
def encode_key(key: Key) -> bytes:
    """Return the bytes of `key`.

    Raises:
        UsageError: the key is empty, holds a lone surrogate, or is longer than `MAX_KEY_BYTES`.
    """
    if not key:
        raise UsageError("a storage key needs at least one part")
    encoded = encode_prefix(key)
    if len(encoded) > MAX_KEY_BYTES:
        raise UsageError(
            f"the storage key {key[0]!r}… takes {len(encoded)} bytes; {MAX_KEY_BYTES} are allowed"
        )
    return encoded


def encode_prefix(prefix: Key) -> bytes:
    """Return the bytes that all keys below `prefix` start with; none for the empty prefix."""
    return b"".join(map(_encode_part, prefix))


def decode_key(data: bytes) -> Key:
    """Return the key that `encode_key` turned into `data`."""
    return tuple(
        part.replace(b"\x01\x01", b"\x00").replace(b"\x01\x02", b"\x01").decode()
        for part in data[:-1].split(b"\x00")
    )


def successor(prefix: bytes) -> bytes | None:
    """Return the smallest bytes above everything that starts with `prefix`, None for no bound."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1]) if trimmed else None


def _encode_part(part: str) -> bytes:
    try:
        raw = part.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the storage key part {part!r} is not valid Unicode") from error
    return raw.replace(b"\x01", b"\x01\x02").replace(b"\x00", b"\x01\x01") + b"\x00"
