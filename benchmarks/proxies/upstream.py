"""A stand-in for a provider, as bare as it gets: `python -m benchmarks.proxies.upstream` prints its port.

It answers every request: with 590 bytes of JSON, or with 65 events written back to back where the
body asks for a stream.
"""

from __future__ import annotations

import asyncio
import json
from typing import cast

_USAGE = {"prompt_tokens": 24, "completion_tokens": 64, "total_tokens": 88}
_JSON_BYTES = 590


def _document() -> bytes:
    def made(text: str) -> bytes:
        message = {"role": "assistant", "content": text}
        return json.dumps(
            {
                "id": "chatcmpl-bench",
                "object": "chat.completion",
                "created": 1,
                "model": "gpt-bench",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": _USAGE,
            }
        ).encode()

    return made("x" * (_JSON_BYTES - len(made(""))))


def _event(delta: object, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": more.pop("reason", None)}
    chunk = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-bench",
        "choices": [choice],
        **more,
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _events() -> list[bytes]:
    words = [_event({"content": f"word{number} "}) for number in range(63)]
    last = _event({}, reason="stop", usage=_USAGE)
    return [_event({"role": "assistant", "content": ""}), *words, last]


_BODY = _document()
_WHOLE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY)
) + _BODY
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_PIECES = [b"%x\r\n%s\r\n" % (len(event), event) for event in (*_events(), b"data: [DONE]\n\n")] + [
    b"0\r\n\r\n"
]


class _Provider(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._came = b""

    def data_received(self, data: bytes) -> None:
        self._came += data
        while (request := self._next()) is not None:
            if b'"stream":true' in request.replace(b": ", b":"):
                self._transport.write(_HEAD)
                for piece in _PIECES:
                    self._transport.write(piece)
            else:
                self._transport.write(_WHOLE)

    def _next(self) -> bytes | None:
        head, found, rest = self._came.partition(b"\r\n\r\n")
        if not found:
            return None
        names = (line.partition(b":") for line in head.lower().split(b"\r\n"))
        length = next((int(each) for name, _, each in names if name == b"content-length"), 0)
        if len(rest) < length:
            return None
        self._came = rest[length:]
        return rest[:length]


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(_Provider, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
