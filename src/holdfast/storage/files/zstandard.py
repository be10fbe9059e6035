"""Compress and decompress by Zstandard: the standard library's module, or its backport."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from holdfast.storage.files.lines import BadLine

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
}

_CRUMB = 32


def compress(data: bytes) -> bytes:
    """Return the data as one frame with a checksum."""
    return zstd.compress(data, options=_OPTIONS)


def decompress(data: bytes) -> bytes:
    """Return what `compress` was given.

    Raises:
        BadLine: the frame is damaged.
    """
    try:
        return zstd.decompress(data)
    except zstd.ZstdError as error:
        raise BadLine(f"the compressed file is damaged: {error}") from error


def decompress_frames(data: bytes) -> Iterator[bytes]:
    """Give the content of one frame after another.

    Raises:
        BadLine: a frame is damaged.
    """
    while data:
        frame = zstd.ZstdDecompressor()
        try:
            content = frame.decompress(data)
        except zstd.ZstdError as error:
            raise BadLine(f"the compressed file is damaged: {error}") from error
        if not frame.eof:
            raise BadLine("the compressed file ends in the middle")
        yield content
        data = frame.unused_data


def salvage(data: bytes) -> bytes:
    """Return what can be read of damaged frames, up to the place where they stop making sense."""
    parts: list[bytes] = []
    frame = zstd.ZstdDecompressor()
    try:
        for start in range(0, len(data), _CRUMB):
            # In small pieces: what a piece held in front of the damage is lost with it.
            crumb = data[start : start + _CRUMB]
            while crumb:
                parts.append(frame.decompress(crumb))
                crumb = frame.unused_data
                frame = zstd.ZstdDecompressor() if frame.eof else frame
    except zstd.ZstdError:
        pass
    return b"".join(parts)


def bounded_decompress(data: bytes, most: int) -> bytes:
    """Return what was compressed, no more than `most` bytes of it, whoever compressed it.

    Raises:
        ValueError: the data is damaged, or ends in the middle.
    """
    frame = zstd.ZstdDecompressor()
    try:
        found = frame.decompress(data, most)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from error
    if not frame.eof and len(found) < most:
        raise ValueError("it ends in the middle")
    return found
