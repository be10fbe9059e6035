"""Ask a proxy over connections that stay open, and say what its processes used of the processor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

_ANSWER_SECONDS = 60.0
_BEHIND_SECONDS = 0.2
"""How long after the last answer the work for it may still go on, and count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many requests over so many connections, each with one at a time."""

    requests: int
    connections: int = 1
    streams: bool = False


def spent_ms(port: int, pid: int, load: Load) -> float:
    """Return the milliseconds of processor that the tree of a process used for each request."""
    return asyncio.run(_spent_ms(port, pid, load))


def ask_once(port: int) -> None:
    """Ask for one answer over a connection of its own.

    Raises:
        OSError: nobody listens yet.
        RuntimeError: the answer is not the provider's.
    """
    asyncio.run(_drive(port, Load(requests=1)))


async def _spent_ms(port: int, pid: int, load: Load) -> float:
    before = _processor_ns(pid)
    await _drive(port, load)
    await asyncio.sleep(_BEHIND_SECONDS)
    return (_processor_ns(pid) - before) / load.requests / 1e6


async def _drive(port: int, load: Load) -> None:
    loop = asyncio.get_running_loop()
    request = _request(port, streams=load.streams)
    waiting = iter(range(load.requests))

    async def one() -> None:
        transport, client = await loop.create_connection(_Client, "127.0.0.1", port)
        try:
            for _ in waiting:
                _check(await asyncio.wait_for(client.ask(request), _ANSWER_SECONDS), load)
        finally:
            transport.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(load.connections):
            group.create_task(one())


def _request(port: int, *, streams: bool) -> bytes:
    body: dict[str, object] = {
        "model": "gpt-bench",
        "messages": [
            {"role": "system", "content": "You answer in one short paragraph."},
            {"role": "user", "content": "Tell me what a proxy between programs and models does."},
        ],
        "max_tokens": 256,
        "temperature": 0.2,
    }
    if streams:
        body["stream"] = True
    sent = json.dumps(body).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
        b"content-type: application/json\r\nauthorization: Bearer sk-bench\r\n"
        b"x-holdfast-policy: everyday\r\ncontent-length: %d\r\n\r\n%s" % (port, len(sent), sent)
    )


def _check(answer: bytes, load: Load) -> None:
    whole = b"word62 " in answer and b"[DONE]" in answer if load.streams else b"xxxx" in answer
    if not answer.startswith(b"HTTP/1.1 200") or not whole:
        raise RuntimeError(f"a proxy answers {answer[:600]!r}")


class _Client(asyncio.Protocol):
    """A connection that reads one answer after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._came = bytearray()
        self._asked: asyncio.Future[bytes] | None = None

    async def ask(self, request: bytes) -> bytes:
        self._came.clear()
        self._asked = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._asked

    def data_received(self, data: bytes) -> None:
        self._came += data
        if self._asked is not None and not self._asked.done() and _is_whole(self._came):
            self._asked.set_result(bytes(self._came))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(exc or ConnectionResetError("the proxy hung up"))


def _is_whole(came: bytearray) -> bool:
    end = came.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = came[:end].lower()
    at = head.find(b"content-length:")
    if at < 0:
        return came.endswith(b"\r\n0\r\n\r\n")
    return len(came) - end - 4 >= int(head[at + 15 :].split(b"\r\n")[0])


def _processor_ns(pid: int) -> int:
    """Return what the scheduler gave to the threads of a process and of all below it."""
    paths = (path for each in _tree(pid) for path in Path(f"/proc/{each}/task").iterdir())
    return sum(int((path / "schedstat").read_text("ascii").split()[0]) for path in paths)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for each in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
        yield from _tree(int(each))


def resident_mib(pid: int) -> float:
    """Return the memory that a process and all below it have now, in MiB."""
    return sum(_resident_kib(each) for each in _tree(pid)) / 1024


def _resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    said: Mapping[str, str] = dict(line.split(":", 1) for line in lines)
    return int(said["VmRSS"].split()[0])
