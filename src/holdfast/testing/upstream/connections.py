"""One connection to the faulty upstream: read requests, do what their acts say."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Protocol, cast

from holdfast.testing.upstream.acts import Act, Fault
from holdfast.testing.upstream.exchanges import Exchange
from holdfast.testing.upstream.formats import WireFormat, format_at
from holdfast.testing.upstream.replies import Counts, Reply

_RESET = struct.pack("ii", 1, 0)
_STATUSES = {
    Fault.RATE_LIMITED: 429,
    Fault.SERVER_ERROR: 500,
    Fault.UNAUTHORISED: 401,
    Fault.UNPAID: 402,
}
_PAGE = b"<!doctype html><title>Busy</title><p>Please come back later."
_VECTOR = [0.25, -0.5, 0.125]


class Host(Protocol):
    """What a connection asks of its server."""

    models: tuple[str, ...]

    async def begin(self, make: Callable[[Act, float], Exchange]) -> Exchange:
        """Return the exchange that `make` makes of the next act."""
        ...

    def note(self, connection: Connection, *, is_open: bool) -> None:
        """Keep count of open connections."""
        ...


class _Gone(Exception):
    """The client left; nobody outside sees this."""


class Connection(asyncio.Protocol):
    """A client, from its first byte to its last."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._buffer = bytearray()
        self._more, self._gone = asyncio.Event(), asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._exchange: Exchange | None = None
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._host.note(self, is_open=True)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._more.set()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how is no matter
        self._host.note(self, is_open=False)
        self._gone.set()
        self._more.set()
        self._writable.set()
        exchange = self._exchange
        if exchange is not None and not exchange.ended.is_set():
            exchange.left_at = asyncio.get_running_loop().time()
            exchange.left.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def end(self) -> None:
        """Close the connection at once."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._transport.abort()

    async def _serve(self) -> None:
        with suppress(_Gone):
            while True:
                await self._answer(*await self._request())
        self._transport.close()

    async def _request(self) -> tuple[str, str, dict[str, str], bytes]:
        top = await self._take(self._head_length)
        first, *lines = top.decode("latin-1").split("\r\n")[:-2]
        method, path, _ = first.split(" ", 2)
        fields = [line.partition(":") for line in lines]
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        length = int(headers.get("content-length", "0"))
        body = await self._take(lambda: length if len(self._buffer) >= length else None)
        return method, path, headers, body

    def _head_length(self) -> int | None:
        found = self._buffer.find(b"\r\n\r\n")
        return None if found < 0 else found + 4

    async def _take(self, length: Callable[[], int | None]) -> bytes:
        """Wait until `length` knows how many bytes there are to take, and return them."""
        while (found := length()) is None:
            if self._gone.is_set():
                raise _Gone
            self._more.clear()
            await self._more.wait()
        taken = bytes(self._buffer[:found])
        del self._buffer[:found]
        return taken

    async def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        named, wire = path.partition("?")[0], format_at(path)
        if named.endswith("/models"):
            await self._send_document(None, 200, _models(self._host.models))
            return
        if wire is None and not named.endswith("/embeddings"):
            await self._send_document(None, 404, {"error": {"message": f"no {named} here"}})
            return
        exchange = await self._host.begin(
            lambda act, now: Exchange(
                method=method, path=path, headers=headers, body=body, act=act, began_at=now
            )
        )
        self._exchange = exchange
        try:
            if wire is None:
                await self._embed(exchange)
            else:
                await _Answering(self, exchange, wire).run()
        finally:
            exchange.ended_at = asyncio.get_running_loop().time()
            exchange.ended.set()

    async def _embed(self, exchange: Exchange) -> None:
        asked = exchange.json.get("input")
        texts = cast("list[object]", asked) if isinstance(asked, list) else [asked]
        data = [
            {"object": "embedding", "index": index, "embedding": _VECTOR}
            for index in range(len(texts))
        ]
        usage: dict[str, object] = {"prompt_tokens": exchange.act.reply.reported.input}
        document: dict[str, object] = {"object": "list", "data": data, "usage": usage}
        exchange.charged = Counts(input=exchange.act.reply.counts.input, output=0)
        if exchange.act.reply.cost is not None:
            usage["cost"] = exchange.act.reply.cost
        document |= {"model": exchange.json.get("model")}
        await self._send_document(exchange, 200, document, *_fields(exchange.act.reply))

    async def _send_document(
        self, exchange: Exchange | None, status: int, document: object, *extra: str
    ) -> None:
        body = json.dumps(document).encode()
        await self.send(exchange, head(status, "application/json", len(body), *extra) + body)

    async def send(self, exchange: Exchange | None, data: bytes) -> None:
        """Write bytes; the client may have left, which ends the exchange."""
        if self._gone.is_set():
            raise _Gone
        self._transport.write(data)
        if exchange is not None:
            exchange.sent += len(data)
        await self._writable.wait()

    async def wait(self, exchange: Exchange) -> None:
        """Wait until the exchange is released; the client may leave first."""
        exchange.stalled.set()
        await self._unless_gone(exchange.released.wait())

    async def step(self, exchange: Exchange) -> None:
        """Wait for a step of a paced exchange; the client may leave first."""
        await self._unless_gone(exchange.steps.acquire())

    async def _unless_gone(self, waited: Coroutine[object, object, object]) -> None:
        loop = asyncio.get_running_loop()
        wanted = loop.create_task(waited)
        gone = loop.create_task(self._gone.wait())
        try:
            await asyncio.wait((wanted, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            wanted.cancel()
            gone.cancel()
        if self._gone.is_set():
            raise _Gone

    def close(self) -> None:
        """Close in good order, and end the connection."""
        self._transport.close()
        raise _Gone

    def reset(self) -> None:
        """Close so that the client sees the connection reset."""
        door = self._transport.get_extra_info("socket")
        door.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()
        raise _Gone


class _Answering:
    """Do what one act says."""

    def __init__(self, connection: Connection, exchange: Exchange, wire: WireFormat) -> None:
        self._connection = connection
        self._exchange = exchange
        self._wire = wire
        self._act = exchange.act
        model = exchange.json.get("model")
        self._model = model if isinstance(model, str) else "m"

    async def run(self) -> None:
        match self._act.fault:
            case Fault.RESET_BEFORE:
                self._connection.reset()
            case Fault.HANG:
                await self._connection.wait(self._exchange)
            case Fault.RATE_LIMITED | Fault.SERVER_ERROR | Fault.UNAUTHORISED | Fault.UNPAID:
                await self._refuse(_STATUSES[self._act.fault])
                return
            case Fault.WRONG_TYPE:
                await self._send(head(200, "text/html", len(_PAGE)) + _PAGE)
                return
            case _:
                pass
        await (self._stream() if self._exchange.streams else self._whole())

    async def _refuse(self, status: int) -> None:
        body = json.dumps(self._wire.error(status, f"scripted {status}")).encode()
        after = self._act.retry_after
        extra = () if after is None else (f"Retry-After: {after}",)
        await self._send(head(status, "application/json", len(body), *extra) + body)

    async def _whole(self) -> None:
        fault = self._act.fault
        if fault is Fault.ERROR_IN_BODY:
            body = json.dumps(self._wire.error(500, "scripted error")).encode()
            await self._send(head(200, "application/json", len(body)) + body)
            return
        if self._act.paced:
            await self._connection.step(self._exchange)
        body = json.dumps(self._wire.whole(self._act.reply, self._model)).encode()
        half = body[: len(body) // 2]
        if self._act.charges:
            self._charge(1, 1)
        if fault is Fault.MALFORMED:
            body = half
        length = None if fault is Fault.CUT else len(body)
        first = head(200, "application/json", length, *_fields(self._act.reply))
        match fault:
            case Fault.CUT | Fault.RESET_MIDDLE | Fault.STALL:
                await self._send(first + half)
                await self._break(fault)
                await self._send(body[len(half) :])
            case _:
                await self._send(first + body)
        self._exchange.events = 1

    async def _stream(self) -> None:
        events = list(self._wire.events(self._act.reply, self._model))
        await self._send(head(200, self._wire.content_type, None, "Transfer-Encoding: chunked"))
        for place, event in enumerate(events):
            if place == min(self._act.after, len(events) - 1) and self._act.fault is not None:
                await self._fail(self._act.fault)
                if self._act.fault in (Fault.CUT, Fault.ERROR_IN_BODY):
                    break
            if self._act.paced:
                await self._connection.step(self._exchange)
            await self._send(chunked(event))
            self._exchange.events += 1
            if self._act.charges or self._act.fault is None:
                self._charge(self._exchange.events, len(events))
        await self._send(b"0\r\n\r\n")

    async def _fail(self, fault: Fault) -> None:
        if fault is Fault.ERROR_IN_BODY:
            await self._send(chunked(self._wire.error_event("scripted error")))
        elif fault is Fault.MALFORMED:
            await self._send(chunked(self._wire.broken_event()))
        elif fault is not Fault.CUT:
            await self._break(fault)

    async def _break(self, fault: Fault) -> None:
        match fault:
            case Fault.CUT:
                self._connection.close()
            case Fault.RESET_MIDDLE:
                self._connection.reset()
            case Fault.STALL:
                await self._connection.wait(self._exchange)
            case _:
                pass

    def _charge(self, done: int, of: int) -> None:
        counts = self._act.reply.counts
        self._exchange.charged = Counts(
            input=counts.input,
            output=counts.output * done // of,
            cached=counts.cached,
            reasoning=min(counts.reasoning, counts.output * done // of),
        )

    async def _send(self, data: bytes) -> None:
        await self._connection.send(self._exchange, data)


def _fields(reply: Reply) -> list[str]:
    return [f"{name}: {value}" for name, value in reply.headers.items()]


def head(status: int, content_type: str, length: int | None, *extra: str) -> bytes:
    """Return the head of an answer; without a length it ends with the connection, or in chunks."""
    fields = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {content_type}", *extra]
    if length is not None:
        fields.append(f"Content-Length: {length}")
    elif not any(each.startswith("Transfer-Encoding") for each in extra):
        fields.append("Connection: close")
    return "\r\n".join([*fields, "", ""]).encode()


def chunked(data: bytes) -> bytes:
    """Return a piece of a body in chunked transfer coding (RFC 9112, section 7.1)."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _models(models: tuple[str, ...]) -> dict[str, object]:
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in models]
    return {"object": "list", "data": listed}
