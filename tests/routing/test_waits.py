"""How long an endpoint is waited for: for a connection, a first byte, the next one, and the whole."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web

from holdfast.errors import ProviderUnavailable
from holdfast.routing.config import Timeouts
from tests.leaping import leap, let_leap, turns
from tests.routing.kit import DONE, ask, delta, endpoint, provider_at, streaming


@contextmanager
def silent_door() -> Iterator[str]:
    """Take connections on a port, and never say the first word of TLS there."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield f"https://127.0.0.1:{door.getsockname()[1]}/v1"


LONG = 500.0
"""More than a test waits: whoever counts one wait into another does not see its end."""


async def test_the_wait_for_a_connection_ends_by_its_own_limit():
    waits = Timeouts(connect=0.05, first_byte=LONG, idle=LONG)
    with silent_door() as url:
        async with asyncio.timeout(60), provider_at(url, timeouts=waits) as provider:
            with pytest.raises(ProviderUnavailable, match=r"connected to within 0\.05 s") as caught:
                await provider.complete(ask(), None)
    assert caught.value.fault == "connect"


async def given_up(call, asked: asyncio.Event, seconds: float) -> ProviderUnavailable:
    """Let so much time pass once a request has arrived, and return how the call failed for that."""
    let_leap()
    calling = asyncio.ensure_future(call)
    await asked.wait()
    await turns()
    leap(seconds)
    await asyncio.wait([calling], timeout=60)
    error = calling.exception()
    assert isinstance(error, ProviderUnavailable)
    return error


@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
async def test_the_wait_for_the_first_byte_begins_when_the_connection_is_there(kept):
    peers, asked = set(), asyncio.Event()

    async def handler(request):
        is_first = not peers
        peers.add(request.transport.get_extra_info("peername"))
        if is_first and kept:
            return await streaming(delta("a", finish="stop") + DONE)(request)
        asked.set()
        return await streaming(then=asyncio.Event())(request)

    waits = Timeouts(connect=LONG, first_byte=10, idle=LONG)
    async with endpoint(handler) as url, provider_at(url, timeouts=waits) as provider:
        if kept:
            await provider.complete(ask(), None)
        error = await given_up(provider.complete(ask(), None), asked, 11)
    assert "did not begin to answer within 10 s" in error.message
    assert error.fault == "first_byte"
    assert len(peers) == 1


async def test_a_slow_connection_takes_nothing_from_the_wait_for_the_first_byte(monkeypatch):
    waits = Timeouts(connect=LONG, first_byte=5, idle=LONG)
    passed = [0.0]
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: time.monotonic() + sum(passed))

    async def lookup(host, port, **_):
        passed.append(10)  # a limit that had begun with the request would be over
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    async with (
        endpoint(streaming(delta("a", finish="stop") + DONE)) as url,
        provider_at(url.replace("127.0.0.1", "far.test"), timeouts=waits) as provider,
    ):
        monkeypatch.setattr(loop, "getaddrinfo", lookup)
        assert (await provider.complete(ask(), None)).text == "a"
    assert passed == [0, 10]


async def test_silence_in_the_middle_ends_by_its_own_limit():
    waits, begun = Timeouts(connect=LONG, first_byte=LONG, idle=10), asyncio.Event()
    async with (
        endpoint(streaming(delta("a"), then=asyncio.Event())) as url,
        provider_at(url, timeouts=waits) as provider,
    ):
        error = await given_up(provider.complete(ask(), lambda _: begun.set()), begun, 11)
    assert "fell silent for 10 s" in error.message
    assert error.fault == "idle"


@pytest.mark.parametrize("phase", ["connect", "first_byte", "idle"])
async def test_the_whole_has_a_limit_whatever_is_waited_for(phase):
    waits, begun = Timeouts(connect=LONG, first_byte=LONG, idle=LONG, total=50), asyncio.Event()
    if phase == "connect":
        begun.set()

    async def handler(request):
        if phase == "first_byte":
            begun.set()
        return await streaming(*[delta("a")] * (phase == "idle"), then=asyncio.Event())(request)

    with silent_door() as door:
        async with (
            endpoint(handler) as url,
            provider_at(door if phase == "connect" else url, timeouts=waits) as provider,
        ):
            call = provider.complete(ask(), lambda _: begun.set())
            error = await given_up(call, begun, 51)
    assert "took longer than 50 s" in error.message
    assert error.fault == phase


async def test_who_is_slow_to_take_an_answer_does_not_make_its_endpoint_silent():
    let_leap()
    more = asyncio.Event()

    async def handler(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(delta("a"))
        await more.wait()
        await response.write(delta("b", finish="stop") + DONE)
        return response

    quick = Timeouts(connect=LONG, first_byte=LONG, idle=10)
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    async with endpoint(handler) as url, provider_at(url, timeouts=quick) as provider:
        texts = []
        async with provider.exchange(body, stream=True) as exchange:
            async for batch in exchange.batches():
                texts += [chunk["choices"][0]["delta"].get("content") for chunk in batch.chunks]
                if not more.is_set():
                    leap(60)  # six times what an endpoint may be silent
                    await turns()
                    more.set()
    assert texts == ["a", "b"]
