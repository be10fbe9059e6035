"""Our own HTTP/1.1 client against servers that speak bytes: what it sends, reads, keeps and gives up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ProviderRefused, ProviderUnavailable
from holdfast.routing.config import ProviderConfig
from holdfast.routing.providers import transport as module
from holdfast.routing.providers.connection import BrokenAnswerError, Connection
from holdfast.routing.providers.transport import Transport

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Door:
    """A server whose every request gets the next of some answers, bytes as they are."""

    def __init__(self, *answers: bytes, then_close: bool = False) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.left = asyncio.Event()
        self._then_close = then_close

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                self.requests.append(await read_request(reader))
                writer.write(self.answers.pop(0))
                await writer.drain()
            if not self._then_close:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.left.set()
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(e[15:]) for e in lines if e.startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


@asynccontextmanager
async def to(serve: Serve, path: str = "/v1", **settings: object) -> AsyncGenerator[Transport]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = Transport(
        ProviderConfig(name="p", base_url=f"http://127.0.0.1:{port}{path}", **settings)  # pyright: ignore[reportArgumentType]
    )
    async with asyncio.timeout(10):
        try:
            yield made
        finally:
            made.close()
            server.close()
            await server.wait_closed()


async def ask(transport: Transport, body: bytes | None = b"{}", path: str = "/x") -> bytes:
    with closing(await transport.send(path, headers={"X-A": "b"}, body=body)) as answer:
        return await answer.read_all()


async def test_a_request_is_its_line_its_headers_and_its_body() -> None:
    door = Door(OK, OK)
    async with to(door) as transport:
        assert await ask(transport, b'{"a": 1}', "/models/a b\u00e9:go") == b"ok"
        assert await ask(transport, None) == b"ok"
    first, second = door.requests
    assert first.startswith(b"POST /v1/models/a%20b%C3%A9:go HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-A: b\r\n" in first
    assert first.endswith(b'Content-Length: 8\r\n\r\n{"a": 1}')
    assert second.startswith(b"GET /v1/x HTTP/1.1\r\n")
    assert b"content-length" not in second.lower()


async def test_one_connection_serves_request_after_request() -> None:
    door = Door(OK, OK, OK)
    async with to(door) as transport:
        assert [await ask(transport) for _ in range(3)] == [b"ok"] * 3
    assert door.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + b"and more that nobody asked for",
    ],
    ids=["told to close", "an old version", "bytes behind the end"],
)
async def test_a_connection_that_may_not_be_used_again_is_closed(answer: bytes) -> None:
    door = Door(answer, OK)
    async with to(door) as transport:
        assert await ask(transport) == b"ok"
        assert await ask(transport) == b"ok"
    assert door.connections == 2


async def test_an_answer_that_is_left_early_ends_the_connection() -> None:
    door = Door(CHUNKED + b"2\r\nok\r\n")
    async with to(door) as transport:
        with closing(await transport.send("/x", headers={}, body=b"")) as answer:
            assert await answer.read() == b"ok"
        await door.left.wait()


async def test_a_kept_connection_that_the_other_side_closed_is_not_used() -> None:
    door = Door(OK, then_close=True)
    async with to(door) as transport:
        assert await ask(transport) == b"ok"
        await door.left.wait()
        door.answers = [OK]
        while transport.kept:  # noqa: ASYNC110 - the loop itself tells it
            await asyncio.sleep(0)
        assert await ask(transport) == b"ok"
    assert door.connections == 2


async def test_connections_are_not_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_SECONDS", 0.01)
    door = Door(OK)
    async with to(door) as transport:
        await ask(transport)
        await door.left.wait()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 102 X\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (CHUNKED + b"1;x=y\r\na\r\n3\r\nbcd\r\n0\r\nx-trailer: 1\r\n\r\n", b"abcd"),
    ],
    ids=["without a length", "continue", "hints", "no content", "chunks and trailers"],
)
async def test_every_kind_of_body_is_read_to_its_end(answer: bytes, body: bytes) -> None:
    async with to(Door(answer, then_close=True)) as transport:
        assert await ask(transport) == body


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut",
        CHUNKED + b"3\r\ncut",
        CHUNKED + b"3\r\ncut\r\nzz\r\n",
    ],
    ids=["below its length", "in a chunk", "not a chunk"],
)
async def test_an_answer_that_is_cut_is_never_taken_for_a_whole_one(answer: bytes) -> None:
    async with to(Door(answer, then_close=True)) as transport:
        with pytest.raises(ProviderUnavailable, match="broke the connection off") as caught:
            await ask(transport)
    assert caught.value.fault == "truncated"


@pytest.mark.parametrize(
    "answer",
    [b"", b"hello", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000],
    ids=["nothing", "another protocol", "half a head", "a head without an end"],
)
async def test_what_is_no_answer_is_told_as_one_that_never_began(answer: bytes) -> None:
    async with to(Door(answer, then_close=True)) as transport:
        with pytest.raises(ProviderUnavailable, match="broke the connection off") as caught:
            await ask(transport)
    assert caught.value.fault == "first_byte"


async def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1 << 20)
    big = b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n" + bytes(2_000_000)
    async with to(Door(big)) as transport:
        with pytest.raises(ProviderRefused, match="'p' sent more than 1 MiB"):
            await ask(transport)


async def test_a_slow_reader_holds_the_other_side_up() -> None:
    size = 64 << 20
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        try:
            while sent < size:
                writer.write(bytes(1 << 16))
                sent += 1 << 16
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    async with to(serve) as transport:
        with closing(await transport.send("/x", headers={}, body=b"")) as answer:
            await answer.read()
            before = -1
            while before != sent:  # until nothing moves any more
                before = sent
                await asyncio.sleep(0.05)
            assert sent < size


async def test_no_line_end_gets_into_a_head() -> None:
    async with to(Door(OK)) as transport:
        with pytest.raises(ValueError, match="line end"):
            await transport.send("/x", headers={"A": "b\r\nHost: c"}, body=None)
        assert await ask(transport, path="/a\r\nHost: c") == b"ok"


async def test_a_name_that_is_no_host_is_an_error_of_the_address() -> None:
    config = ProviderConfig(name="p", base_url="http://a..b\u00e9/v1")
    with pytest.raises(ProviderRefused, match="not an address"):
        await Transport(config).send("/x", headers={}, body=None)


class _Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


@given(BODIES, st.booleans(), st.lists(st.integers(0, 400)), st.integers(0, 2))
def test_an_answer_is_the_same_however_it_is_cut(
    parts: list[bytes], chunked: bool, places: list[int], hints: int
) -> None:
    body = b"".join(parts)
    head = b"HTTP/1.1 103 Early Hints\r\n\r\n" * hints + b"HTTP/1.1 200 OK\r\nX-One: 1\r\n"
    if chunked:
        framed = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in parts) + b"0\r\n\r\n"
        answer = head + b"Transfer-Encoding: chunked\r\n\r\n" + framed
    else:
        answer = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    ends = sorted({place % (len(answer) + 1) for place in places} | {len(answer)})

    async def run() -> None:
        loop = asyncio.get_running_loop()
        connection = Connection(loop, lambda _: None)
        connection.connection_made(_Wire())
        for _ in range(2):  # the second time over the connection that was kept
            connection.ask(b"")
            begin = 0
            for end in ends:
                connection.data_received(answer[begin:end])
                begin = end
            headers = await connection.head(loop.time() + 1)
            assert (connection.status, headers["x-one"]) == (200, "1")
            came = b""
            while piece := await connection.read(loop.time() + 1):
                came += piece
            assert came == body
            assert connection.is_reusable
            connection.rest()
        connection.close()

    asyncio.run(run())


async def test_a_wait_ends_at_its_own_time_though_an_earlier_one_was_longer() -> None:
    loop = asyncio.get_running_loop()
    connection = Connection(loop, lambda _: None)
    connection.connection_made(_Wire())
    connection.ask(b"")
    reading = asyncio.ensure_future(connection.head(loop.time() + 500))
    await asyncio.sleep(0)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
    await reading
    async with asyncio.timeout(60):
        with pytest.raises(TimeoutError):
            await connection.read(loop.time() + 0.01)
        with pytest.raises(TimeoutError):
            await connection.read(loop.time() + 0.01)
    connection.connection_lost(ConnectionResetError())
    with pytest.raises(BrokenAnswerError, match="ConnectionResetError"):
        await connection.read(loop.time() + 1)
