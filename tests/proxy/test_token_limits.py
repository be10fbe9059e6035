"""The limit of tokens that a client sets, and the one that its budget pays for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from holdfast.routing.config import Budgets, RoutingConfig
from holdfast.testing.upstream import Upstream
from tests.proxy.serving import Proxy, provider, proxy_of, request

CHAT = "/v1/chat/completions"
CAP = 1_000


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    with fail_after(30):
        async with Upstream() as running:
            yield running


@pytest.fixture
async def proxy(tmp_path: Path, upstream: Upstream) -> AsyncIterator[Proxy]:
    """Serve a provider that takes a msat a token, under a cap for each day."""
    routing = RoutingConfig(budgets=Budgets(day_msat=CAP))
    async with proxy_of(tmp_path, [provider("only", upstream, 1)], routing=routing) as running:
        yield running


async def limits(proxy: Proxy, upstream: Upstream, **fields: Any) -> dict[str, Any]:
    seen = await proxy.ask(CHAT, request(CHAT, stream=False, **fields))
    assert seen.status == 200
    sent = upstream.exchanges[-1].json
    return {name: sent.get(name) for name in ("max_tokens", "max_completion_tokens")}


async def test_a_limit_within_the_budget_is_sent_under_the_name_that_it_has(
    proxy: Proxy, upstream: Upstream
) -> None:
    assert await limits(proxy, upstream, max_tokens=9, max_completion_tokens=None) == {
        "max_tokens": 9, "max_completion_tokens": None,
    }  # fmt: skip
    sent = await limits(proxy, upstream, max_tokens=None, max_completion_tokens=8)
    assert sent == {"max_tokens": None, "max_completion_tokens": 8}


async def test_a_budget_pays_for_every_answer_that_a_request_asks_for(
    proxy: Proxy, upstream: Upstream
) -> None:
    body = request(CHAT, stream=False, max_tokens=400)
    assert (await proxy.ask(CHAT, body | {"n": 2})).status == 200
    seen = await proxy.ask(CHAT, body | {"n": 4})
    assert seen.status == 402
    assert "raise the budget" in seen.data["error"]["message"]
    assert len(upstream.exchanges) == 1


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "5", True])
async def test_a_limit_that_is_no_count_is_refused(proxy: Proxy, name: str, value: object) -> None:
    seen = await proxy.ask(CHAT, request(CHAT, stream=False, **{name: value}))
    assert seen.status == 400
    assert f"{name} must be a whole number" in seen.data["error"]["message"]
