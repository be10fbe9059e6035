"""Fields on top of OpenAI's are left out where an endpoint says that it does not know them."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from holdfast.errors import ProviderRefused
from tests.routing.kit import DONE, delta, endpoint, provider_at, streaming

EXTENDED = {
    "model": "m",
    "messages": [
        {
            "role": "user",
            "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "x"}}],
        },
        {"role": "assistant", "content": "Yes?", "reasoning_content": "Hm."},
        {"role": "user", "content": "Go on"},
    ],
}


async def ask(provider):
    async with provider.exchange(EXTENDED, stream=True) as exchange:
        async for _ in exchange.batches():
            pass
        return exchange.calls


def strict(says: str, seen: list[dict]):
    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(await request.json())
        if "reasoning_content" in json.dumps(seen[-1]):
            return web.json_response({"error": {"message": says}}, status=400)
        return await streaming(delta("Hello", finish="stop") + DONE)(request)

    return handler


@pytest.mark.parametrize(
    "says",
    [
        "Unrecognized request argument supplied: reasoning_content",
        "messages.1.reasoning_content: Extra inputs are not permitted",
        "property 'cache_control' is unsupported",
    ],
)
async def test_they_are_left_out_once_refused_and_from_then_on(says):
    seen: list[dict] = []
    async with endpoint(strict(says, seen)) as url, provider_at(url) as provider:
        assert [await ask(provider), await ask(provider)] == [2, 1]
    assert len(seen) == 3
    assert [
        any(word in json.dumps(each) for word in ("reasoning_content", "cache_control"))
        for each in seen
    ] == [True, False, False]
    assert seen[1]["messages"][1] == {"role": "assistant", "content": "Yes?"}


async def test_a_refusal_of_a_value_is_the_callers():
    seen: list[dict] = []
    says = "reasoning_content is too long"
    async with endpoint(strict(says, seen)) as url, provider_at(url) as provider:
        with pytest.raises(ProviderRefused, match="too long"):
            await ask(provider)
    assert len(seen) == 1
