"""Whoever leaves stops the work upstream at once, and is booked as having left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from anyio import fail_after

from holdfast.testing.upstream import Act, Fault, Reply, Upstream
from tests.proxy.serving import PATHS, Proxy, provider, proxy_of, request

MOST_SECONDS = 0.1
TRIES = 30
"""One of so many is in time: this machine may be busy with something else for as long as that."""

every_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    with fail_after(30):
        async with Upstream() as running:
            yield running


@pytest.fixture
async def proxy(tmp_path: Path, upstream: Upstream) -> AsyncIterator[Proxy]:
    async with proxy_of(tmp_path, [provider("only", upstream, 1)]) as running:
        yield running


@every_path
async def test_leaving_in_the_middle_of_a_stream_reaches_the_upstream_within_100_ms(
    proxy: Proxy, upstream: Upstream, path: str
) -> None:
    upstream.default = Act(paced=True, reply=Reply(text="one two three four"))
    tries = 0
    while await leave_stream(proxy, upstream, path, tries + 1) >= MOST_SECONDS:
        tries += 1
        assert tries < TRIES
    await assert_all_left(proxy, tries + 1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@every_path
async def test_leaving_before_the_first_byte_reaches_the_upstream_within_100_ms(
    proxy: Proxy, upstream: Upstream, path: str, stream: bool
) -> None:
    upstream.default = Act(fault=Fault.HANG)
    tries = 0
    while await leave_early(proxy, upstream, path, tries + 1, stream=stream) >= MOST_SECONDS:
        tries += 1
        assert tries < TRIES
    await assert_all_left(proxy, tries + 1)


async def leave_early(
    proxy: Proxy, upstream: Upstream, path: str, number: int, *, stream: bool
) -> float:
    asking = asyncio.ensure_future(proxy.ask(path, request(path, stream=stream)))
    exchange = await upstream.exchange(number)
    await exchange.stalled.wait()
    left_at = asyncio.get_running_loop().time()
    asking.cancel()
    await exchange.left.wait()
    assert exchange.left_at is not None
    return exchange.left_at - left_at


async def leave_stream(proxy: Proxy, upstream: Upstream, path: str, number: int) -> float:
    body = json.dumps(request(path, stream=True)).encode()
    asking = asyncio.ensure_future(proxy.client.post(proxy.address + path, data=body))
    exchange = await upstream.exchange(number)
    for _ in range(3):
        exchange.step()
    answer = await asking
    assert await answer.content.readline()
    left_at = asyncio.get_running_loop().time()
    answer.close()
    await exchange.left.wait()
    assert exchange.left_at is not None
    return exchange.left_at - left_at


async def assert_all_left(proxy: Proxy, tries: int) -> None:
    rows = await proxy.settled(tries)
    assert [(row.outcome, [a.outcome for a in row.attempts]) for row in rows] == (
        [("left", ["left"])] * tries
    )
    assert await proxy.ledger.check() == []
