"""What providers of the kind litellm, and litellm itself, refuse: fields that are not taken, and a lack of keys."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from holdfast.clock import SystemClock
from holdfast.errors import ProviderError, ProviderRefused
from holdfast.routing.config import ProviderConfig
from holdfast.routing.providers.foreign.failing import failure_of
from holdfast.routing.providers.foreign.provider import ForeignProvider
from holdfast.testing.upstream import Upstream
from tests.proxy.serving import PATHS, proxy_of, request
from tests.routing.kit import ask, endpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""The library's own: it is as it is."""


def config_of(prefix: str, url: str = "", key: str | None = "k") -> ProviderConfig:
    return ProviderConfig(name="far", base_url=url, api_key=key, kind="litellm", prefix=prefix)


@pytest.fixture
async def far() -> AsyncIterator[Callable[..., ForeignProvider]]:
    """Return what makes a provider, which is closed at the end."""
    async with AsyncExitStack() as stack:

        def make(prefix: str, url: str = "", key: str | None = "k") -> ForeignProvider:
            made = ForeignProvider(config_of(prefix, url, key), clock=SystemClock())
            stack.push_async_callback(made.close)
            return made

        yield make


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_what_an_adapter_does_not_take_is_left_out_and_clients_are_told(
    tmp_path: Path, stream: bool
) -> None:
    async with (
        Upstream() as upstream,
        proxy_of(tmp_path, [config_of("anthropic", upstream.root)]) as proxy,
    ):
        asked = request(PATHS[0], stream=stream, logprobs=True)
        seen = await proxy.ask(PATHS[0], asked)
        assert (seen.status, seen["left-out"]) == (200, "logprobs")
        explained = await proxy.ask("/v1/cost", asked)
        assert explained.data["candidates"][0]["left_out"] == ["logprobs"]
        assert len(upstream.exchanges) == 1  # litellm knew it


async def test_what_an_endpoint_does_not_take_is_asked_for_once(
    far: Callable[..., ForeignProvider],
) -> None:
    asked: list[Any] = []

    async def picky(sent: web.Request) -> web.Response:
        asked.append(await sent.json())
        if "temperature" in asked[-1]:
            error = {"message": "Unsupported value: 'temperature' does not support 0.2"}
            return web.json_response({"error": error}, status=400)
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}}
        return web.json_response({"choices": [choice | {"finish_reason": "stop"}]})

    async with endpoint(picky) as url:
        provider = far("openai", url)
        body = request(PATHS[0], stream=False, temperature=0.2, top_p=0.9)
        for calls in (2, 1):
            async with provider.exchange(body, stream=False) as answer:
                await answer.document()
            assert (answer.calls, answer.left_out) == (calls, ("temperature",))
    assert len(asked) == 3
    assert "top_p" in asked[-1]


async def test_a_refusal_of_what_litellm_adds_itself_is_not_tried_again(
    far: Callable[..., ForeignProvider],
) -> None:
    asked: list[object] = []

    async def strict(sent: web.Request) -> web.Response:
        asked.append(await sent.json())
        error = {"message": "stream_options: Extra inputs are not permitted"}
        return web.json_response({"error": error}, status=400)

    async with endpoint(strict) as url:
        with pytest.raises(ProviderRefused, match="stream_options"):
            await far("openai", url).complete(ask(), None)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("prefix", "told", "variables"),
    [
        ("watsonx", "project_id and space_id not set", "WX_PROJECT_ID or WX_SPACE_ID"),
        ("cloudflare", "Missing CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_ACCOUNT_ID"),
        ("azure", "Must provide one of the `base_url`", "AZURE_OPENAI_ENDPOINT"),
    ],
)
async def test_what_else_is_missing_is_told_and_is_no_refused_key(
    far: Callable[..., ForeignProvider],
    monkeypatch: pytest.MonkeyPatch,
    prefix: str,
    told: str,
    variables: str,
) -> None:
    for name in [*os.environ]:
        if name.endswith(("_ID", "_ENDPOINT")):
            monkeypatch.delenv(name)
    with pytest.raises(
        ProviderRefused, match=r"'far' lacks something that litellm needs"
    ) as caught:
        await far(prefix, key="secret-key").complete(ask(), None)
    assert told in str(caught.value)
    assert caught.value.hint == (
        f"set {variables} where Holdfast is started, or give it below [providers.far.options] in "
        "holdfast.toml"
    )


@pytest.mark.parametrize("status", [401, 500])
async def test_an_endpoint_that_misses_something_is_not_taken_for_litellm(
    far: Callable[..., ForeignProvider], status: int
) -> None:
    async def missing(sent: web.Request) -> web.Response:
        error = {"message": "the header x_account_id is missing"}
        return web.json_response({"error": error}, status=status)

    async with endpoint(missing) as url:
        with pytest.raises(ProviderError) as caught:
            await far("openai", url).complete(ask(), None)
    assert f"HTTP {status}" in caught.value.message


@pytest.mark.parametrize(
    ("prefix", "variable"),
    [
        ("openai", "OPENAI_API_KEY"),
        ("anthropic", "ANTHROPIC_API_KEY"),
        ("gemini", "GEMINI_API_KEY"),
        ("fireworks_ai", "FIREWORKS_API_KEY"),
    ],
)
async def test_a_key_that_is_nowhere_is_told_with_its_variable(
    far: Callable[..., ForeignProvider], monkeypatch: pytest.MonkeyPatch, prefix: str, variable: str
) -> None:
    for name in [*os.environ]:
        if name.endswith(("_KEY", "_TOKEN")):
            monkeypatch.delenv(name)
    with pytest.raises(ProviderRefused, match="'far' has no key that litellm could find") as caught:
        await far(prefix, key=None).complete(ask(), None)
    assert caught.value.fault == "auth"
    assert caught.value.hint == (
        f"set the environment variable {variable} to a valid key where Holdfast is started, or "
        f'write api_key = "${{{variable}}}" below [providers.far] in holdfast.toml'
    )


def test_credentials_that_no_tool_of_the_vendor_finds_are_no_reason_to_try_again() -> None:
    config = ProviderConfig(name="aws", base_url="", kind="litellm", prefix="bedrock")
    told = ValueError("BedrockException Invalid Authentication - Unable to locate credentials")
    failure = failure_of(config, "m", told, begun=False, now_ms=0)
    assert isinstance(failure, ProviderRefused)
    assert failure.message.endswith(
        "'aws' has no key that litellm could find: Unable to locate credentials"
    )
    assert "what the vendor's own tools read" in failure.hint
