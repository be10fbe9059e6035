"""The least that a proxy in Python can be: `python -m benchmarks.proxies.bare PORT UPSTREAM`.

A bare ASGI application on uvicorn that passes requests on through aiohttp. It reads and writes the
body, asks for the usage of streams and sees it; nothing is chosen, priced, kept or traced.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import orjson
import uvicorn

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Bare:
    """Passes every request on to one address."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None
        self.tokens = 0

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        parts: list[bytes] = []
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        body = orjson.loads(b"".join(parts))
        streams = bool(body.get("stream"))
        if streams:
            body["stream_options"] = {"include_usage": True}
        if self._session is None:
            self._session = aiohttp.ClientSession()
        headers = {"content-type": "application/json", "authorization": "Bearer key"}
        sent = orjson.dumps(body)
        async with self._session.post(self._address, data=sent, headers=headers) as answer:
            await (self._stream if streams else self._whole)(answer, send)

    async def _whole(self, answer: aiohttp.ClientResponse, send: Send) -> None:
        body = await answer.read()
        self.tokens += orjson.loads(body)["usage"]["total_tokens"]
        await send(_start(answer, (b"content-length", b"%d" % len(body))))
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, answer: aiohttp.ClientResponse, send: Send) -> None:
        await send(_start(answer))
        async for piece in answer.content.iter_any():
            if (at := piece.find(b'"usage"')) >= 0:
                event = piece[piece.rfind(b"data: ", 0, at) + 6 :].partition(b"\n")[0]
                self.tokens += orjson.loads(event)["usage"]["total_tokens"]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _start(answer: aiohttp.ClientResponse, *more: tuple[bytes, bytes]) -> Mapping[str, Any]:
    kind = answer.headers["content-type"].encode()
    headers = [(b"content-type", kind), *more]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


if __name__ == "__main__":
    uvicorn.run(
        Bare(f"http://127.0.0.1:{sys.argv[2]}/v1/chat/completions"),
        port=int(sys.argv[1]), lifespan="off", log_level="warning", access_log=False,
        server_header=False, date_header=False,
    )  # fmt: skip
