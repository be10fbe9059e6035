"""Endpoints that all limit their rate: the client is told so, and from when on it may come again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from anyio import fail_after

from holdfast.testing.upstream import Act, Fault, Upstream
from tests.proxy.serving import PATHS, Proxy, provider, proxy_of, request

LATER, SOONER = 100, 50


class Limited:
    def __init__(self, proxy: Proxy, upstreams: list[Upstream]) -> None:
        self.proxy = proxy
        self.upstreams = upstreams

    @property
    def asked(self) -> list[int]:
        return [len(each.exchanges) for each in self.upstreams]


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Limited]:
    async with AsyncExitStack() as stack:
        stack.enter_context(fail_after(30))
        upstreams: list[Upstream] = []
        for seconds in (LATER, SOONER):
            act = Act(fault=Fault.RATE_LIMITED, retry_after=str(seconds))
            upstreams.append(await stack.enter_async_context(Upstream(default=act)))
        configs = [provider(f"p{n}", each, n + 1) for n, each in enumerate(upstreams)]
        proxy = await stack.enter_async_context(proxy_of(tmp_path, configs))
        yield Limited(proxy, upstreams)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", PATHS)
async def test_while_all_endpoints_are_paused_clients_get_429_and_the_earliest_end(
    limited: Limited, path: str, stream: bool
) -> None:
    first = await limited.proxy.ask(path, request(path, stream=stream))
    assert first.status == 429
    assert limited.asked == [1, 1]
    seen = await limited.proxy.ask(path, request(path, stream=stream))
    assert (seen.status, seen.streamed, seen.says_error) == (429, False, True)
    assert 1 <= int(seen.headers["retry-after"]) <= SOONER
    assert "left alone for now" in seen.data["error"]["message"]
    assert limited.asked == [1, 1]
    if path == "/v1/messages":
        assert seen.data["error"]["type"] == "rate_limit_error"


async def test_one_endpoint_that_is_down_beside_those_that_are_paused_is_no_rate_limit(
    limited: Limited,
) -> None:
    path = PATHS[0]
    await limited.proxy.ask(path, request(path, stream=False))
    board = limited.proxy.router.dispatcher.board
    place = next(each for each in board.circuits() if each.provider == "p0" and each.model)
    board.force(place, "open")
    seen = await limited.proxy.ask(path, request(path, stream=False))
    assert seen.status == 503
    assert limited.asked == [1, 1]
