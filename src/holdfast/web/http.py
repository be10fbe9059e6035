"""Requests and answers of ASGI (version 3, `http` scope), as much as our faces need."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import ExitStack, aclosing
from typing import Any, Final, cast
from urllib.parse import parse_qs

import orjson

from holdfast.frozen import field, frozen

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_Header = tuple[bytes, bytes]
_EVERYWHERE: Final[Sequence[_Header]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
MOST_BYTES = 64 << 20
"""The longest body, also after it was decompressed."""


class Refused(Exception):
    """An answer other than success: a status, and a sentence that says what to change."""

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers: Mapping[str, str] = headers or {}


def not_understood(request: Request, allowed: str) -> Refused:
    """Return the refusal of a method that a path does not know; `allowed` names those that it does."""
    told = f"{request.method} is not understood at {request.path}: use {allowed}"
    return Refused(405, told, headers={"allow": allowed})


@frozen
class Answer:
    """What is sent back."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@frozen
class Streaming:
    """What is sent back piece by piece. `pieces` is closed when the client goes away.

    `ending` gives what is sent behind the last of them, in one write with the end of the answer. All of
    it is sent within the block `around`, which was entered already.
    """

    pieces: AsyncGenerator[bytes]
    ending: Callable[[], bytes] = bytes
    around: ExitStack = field(default_factory=ExitStack)
    status: int = 200
    kind: str = "text/event-stream; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Request:
    """A request: its method, path, headers in lower case, and its body when it is asked for."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        pairs = cast("list[tuple[bytes, bytes]]", scope["headers"])
        self.headers = {name.decode("latin-1"): each.decode("latin-1") for name, each in pairs}
        self._query: bytes = scope.get("query_string", b"")
        self._receive = receive
        self._is_read = False
        self._read: asyncio.Event | None = None

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters behind the question mark, the last of each name."""
        return {name: each[-1] for name, each in parse_qs(self._query.decode("latin-1")).items()}

    async def body(self) -> bytes:
        """Return the whole body, decompressed.

        Raises:
            Refused: it is too long, or compressed in a way that is not known or broken.
        """
        raw = await self._raw_body()
        encoding = self.headers.get("content-encoding")
        return unpacked(raw, encoding) if encoding else raw

    async def left(self) -> None:
        """Return when the client goes away, seen from when its body was read."""
        if not self._is_read:
            self._read = self._read or asyncio.Event()
            await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _raw_body(self) -> bytes:
        if int(self.headers.get("content-length") or 0) > MOST_BYTES:
            raise _too_long()
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "the request ended before its body did")
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > MOST_BYTES:
                raise _too_long()
            parts.append(part)
            if not message.get("more_body"):
                self._is_read = True
                if self._read is not None:
                    self._read.set()
                return parts[0] if len(parts) == 1 else b"".join(parts)


def unpacked(body: bytes, encoding: str) -> bytes:
    """Return a body without its compression, which may not blow it up beyond the limit."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _inflated(body, 31)
        case "deflate":
            return _inflated(body, 15)
        case "zstd":
            return _unzstd(body)
        case other:
            raise Refused(415, f"the encoding {other!r} is not known: send gzip, deflate or zstd")


def _inflated(body: bytes, bits: int) -> bytes:
    inflater = zlib.decompressobj(bits)
    try:
        found = inflater.decompress(body, MOST_BYTES + 1)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise Refused(400, f"the compressed body is broken: {error}") from error
    if len(found) > MOST_BYTES:
        raise _too_long()
    if not inflater.eof:
        raise Refused(400, "the compressed body ends in the middle")
    return found


def _unzstd(body: bytes) -> bytes:
    from holdfast.storage.files.zstandard import bounded_decompress  # noqa: PLC0415 - rarely sent

    try:
        found = bounded_decompress(body, MOST_BYTES + 1)
    except ValueError as error:
        raise Refused(400, f"the compressed body is broken: {error}") from error
    if len(found) > MOST_BYTES:
        raise _too_long()
    return found


def _too_long() -> Refused:
    return Refused(413, f"the body has more than {MOST_BYTES >> 20} MiB: send it in parts")


def json_answer(value: object, status: int = 200) -> Answer:
    """Return a value as JSON."""
    return Answer(body=orjson.dumps(value), status=status)


async def send_answer(answer: Answer, send: Send) -> None:
    """Send an answer."""
    await _send_head(answer, [(b"content-length", b"%d" % len(answer.body))], send)
    await send({"type": "http.response.body", "body": answer.body})


async def send_streaming(answer: Streaming, send: Send) -> None:
    """Send an answer as it is made."""
    with answer.around:
        async with aclosing(answer.pieces) as pieces:
            # Begun before anything is sent: only what has begun can let go of what it holds.
            piece = await anext(pieces, None)
            await _send_head(answer, [], send)
            while piece is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await anext(pieces, None)
        await send({"type": "http.response.body", "body": answer.ending()})


async def _send_head(answer: Answer | Streaming, more: Iterable[_Header], send: Send) -> None:
    headers = [
        (b"content-type", answer.kind.encode()),
        *_EVERYWHERE,
        *more,
        *((name.encode(), each.encode("latin-1")) for name, each in answer.headers.items()),
    ]
    start = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
