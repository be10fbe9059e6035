"""Looking for nodes at a relay that others wrote, and at relays that do what no relay should."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from holdfast.clock import SystemClock
from holdfast.routing.ecash.searching import Search, search
from holdfast.routing.ecash.web import Web
from holdfast.testing.clock import ManualClock
from tests.servers.nostr import Event, announcement

NOW = int(time.time())
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def strange_relay(talk: Talk) -> AsyncIterator[str]:
    """Run a relay that hears the first question, and says then what it likes."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await socket.receive_json()
        await talk(socket)
        return socket

    application = web.Application()
    application.add_routes([web.get("/", answer)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def found_at(*relays: str, clock: ManualClock | SystemClock | None = None) -> Search:
    async with Web() as connections, asyncio.timeout(60):
        return await search(connections, [], relays, clock or SystemClock())


async def tell(socket: web.WebSocketResponse, *events: Event) -> None:
    for each in events:
        await socket.send_json(["EVENT", "nodes", each])


def urls(told: Search) -> list[str]:
    return [each.url for each in told.found]


async def test_a_relay_that_never_says_that_this_is_all_is_left_with_what_it_told():
    clock = ManualClock()
    here = announcement(1, clock.now_ms() // 1000, "https://one.example")

    async def talk(socket: web.WebSocketResponse) -> None:
        await tell(socket, here)
        await socket.ping()
        await socket.receive()  # the answer to it: what was told before has been read
        clock.advance(10)
        await socket.receive()

    async with strange_relay(talk) as url:
        told = await found_at(url, clock=clock)
    assert urls(told) == ["https://one.example/v1"]
    assert told.problems == [f"{url}: it does not say in time that this is all"]


async def test_a_relay_that_closes_at_once_is_said_so():
    async def talk(_: web.WebSocketResponse) -> None:
        pass

    async with strange_relay(talk) as url:
        told = await found_at(url)
    assert (told.found, told.problems) == (
        [], [f"{url}: it closed the connection before it had told all"],
    )  # fmt: skip


async def test_a_relay_that_does_not_want_to_tell_is_told_with_its_reason():
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_json(["CLOSED", "nodes", "auth-required:\n who are you?"])
        await socket.receive()

    async with strange_relay(talk) as url:
        told = await found_at(url)
    assert told.problems == [f"{url}: it does not want to tell: auth-required: who are you?"]


async def test_what_came_before_a_message_that_is_too_long_counts():
    async def talk(socket: web.WebSocketResponse) -> None:
        await tell(socket, announcement(1, NOW, "https://one.example"))
        await tell(socket, announcement(2, NOW, "https://two.example", content="x" * 1_100_000))
        await socket.receive()

    async with strange_relay(talk) as url:
        told = await found_at(url)
    assert urls(told) == ["https://one.example/v1"]
    assert told.problems == [f"{url}: a message of it is too long, or none"]


async def test_a_relay_is_listened_to_for_no_more_than_a_few_megabytes():
    async def talk(socket: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):
            while True:
                await socket.send_str(json.dumps(["NOTICE", "x" * 900_000]))

    async with strange_relay(talk) as url:
        told = await found_at(url)
    assert told.problems == [f"{url}: it sends too much"]


async def test_more_events_than_were_asked_for_are_not_taken():
    many = [announcement(1, NOW, f"https://n{n}.example", place=str(n)) for n in range(520)]

    async def talk(socket: web.WebSocketResponse) -> None:
        await tell(socket, *many)
        await socket.receive()

    async with strange_relay(talk) as url:
        told = await found_at(url)
    assert (len(told.found), told.problems) == (500, [])


async def test_whatever_a_relay_sends_between_is_passed_over():
    deep = "[" * 1_010 + "]" * 1_010  # as deep as JSON is read, and deeper than it can be written
    one = announcement(1, NOW, "https://one.example")

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\xff\x00")
        for text in ("", "no JSON", "7", "null", "[]", '{"EVENT": 1}', '["EVENT"]', '["EOSE"]'):
            await socket.send_str(text)
        await socket.send_json(["EVENT", "other", announcement(2, NOW, "https://two.example")])
        await socket.send_json(["EOSE", "other"])
        for event in (None, 7, [], {}, {**one, "tags": "deep"}, {**one, "tags": ["deep"]}):
            text = json.dumps(["EVENT", "nodes", event])
            await socket.send_str(text.replace('"deep"', deep))
        await tell(socket, one, one)
        await socket.send_json(["EOSE", "nodes"])
        await socket.receive()

    async with strange_relay(talk) as url:
        told = await found_at(url)
    assert (urls(told), told.problems) == (["https://one.example/v1"], [])


async def test_a_relay_that_answers_no_goodbye_is_left_all_the_same():
    stay = asyncio.Event()

    async def talk(socket: web.WebSocketResponse) -> None:
        await tell(socket, announcement(1, NOW, "https://one.example"))
        await socket.send_json(["EOSE", "nodes"])
        await stay.wait()  # and never reads again

    async with strange_relay(talk) as url:
        told = await found_at(url)
        stay.set()
    assert (urls(told), told.problems) == (["https://one.example/v1"], [])


async def test_what_is_no_relay_is_said_so_and_the_others_are_asked():
    async def talk(socket: web.WebSocketResponse) -> None:
        await tell(socket, announcement(1, NOW, "https://one.example"))
        await socket.send_json(["EOSE", "nodes"])
        await socket.receive()

    async with strange_relay(talk) as url:
        told = await found_at(f"{url}elsewhere", "ws://127.0.0.1:1/", url)
    assert urls(told) == ["https://one.example/v1"]
    assert told.problems == [
        f"{url}elsewhere: it does not speak WebSocket there (HTTP 404)",
        "ws://127.0.0.1:1/: it cannot be reached: Connection refused",
    ]
