"""What an endpoint does not take is left out from then on, which clients are told, and tried again later."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from anyio import fail_after

from holdfast.clock import SystemClock
from holdfast.errors import ProviderRefused, Untranslatable
from holdfast.routing.config import ProviderConfig
from holdfast.routing.dialects.gemini import Gemini
from holdfast.routing.dialects.ollama import Ollama
from holdfast.routing.providers.chat import ChatProvider
from holdfast.routing.providers.habits import CHANGING, Habits, adapt
from holdfast.routing.seam import Price
from holdfast.testing.clock import ManualClock
from tests.proxy.serving import PATHS, Proxy, proxy_of, request
from tests.routing.kit import DONE, delta, endpoint

FORGOTTEN_MS = 3_600_000

SAID = {
    "openai": "Unsupported value: 'temperature' does not support 0.2 with this model.",
    "anthropic": "`temperature` is deprecated for this model.",
}
WHOLE: dict[str, Any] = {
    "openai": {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
        ]
    },
    "anthropic": {
        "type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}  # fmt: skip
EVENTS = {
    "openai": delta("Hi") + delta(finish="stop") + DONE,
    "anthropic": b"""event: message_start
data: {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 1}}}

event: content_block_start
data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 0}

event: message_delta
data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}

event: message_stop
data: {"type": "message_stop"}

""",
}


class Picky:
    """An endpoint that has no temperature; `asked` are the fields of each request."""

    def __init__(self, kind: str, said: str | None = None) -> None:
        self.kind = kind
        self.said = said or SAID[kind]
        self.refuses = "temperature"
        self.asked: list[Sequence[str]] = []

    async def handle(self, asked: web.Request) -> web.StreamResponse:
        body = await asked.json()
        self.asked.append(list(body))
        if self.refuses in body:
            error = {"type": "invalid_request_error", "message": self.said}
            return web.json_response({"type": "error", "error": error}, status=400)
        if not body.get("stream"):
            return web.json_response(WHOLE[self.kind])
        return web.Response(body=EVENTS[self.kind], content_type="text/event-stream")

    def config(self, url: str) -> ProviderConfig:
        price = Price(input_msat_per_million=1, output_msat_per_million=1)
        return ProviderConfig(
            name="picky", base_url=url, api_key="k", models={"m": price, "n": price}, kind=self.kind
        )


@asynccontextmanager
async def proxy_to(picky: Picky, folder: Path) -> AsyncIterator[Proxy]:
    with fail_after(100):
        async with endpoint(picky.handle) as url, proxy_of(folder, [picky.config(url)]) as proxy:
            yield proxy


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", list(SAID))
@pytest.mark.parametrize("path", PATHS)
async def test_a_field_that_is_not_taken_is_left_out_and_every_client_is_told(
    tmp_path: Path, path: str, kind: str, stream: bool
) -> None:
    picky = Picky(kind)
    async with proxy_to(picky, tmp_path) as proxy:
        for calls in (2, 3):  # the second request is not refused any more
            seen = await proxy.ask(path, request(path, stream=stream, temperature=0.2, top_p=0.9))
            assert (seen.status, seen.text, seen["left-out"]) == (200, "Hi", "temperature")
            assert len(picky.asked) == calls
            assert "top_p" in picky.asked[-1]
        seen = await proxy.ask(path, request(path, stream=stream))
        assert (seen.status, seen["left-out"]) == (200, None)
        explained = await proxy.ask("/v1/cost", request(PATHS[0], stream=False))
        (candidate,) = explained.data["candidates"]
        assert candidate["left_out"] == ["temperature"]
        other = request(PATHS[0], stream=False, model="n")
        explained = await proxy.ask("/v1/cost", other)
        assert "left_out" not in explained.data["candidates"][0]


@pytest.mark.parametrize(
    "said",
    [
        "temperature must be between 0 and 1",
        "Invalid value: temperature 3 is not supported, the range is 0 to 2",
        "`temperature` and `top_p` cannot both be specified: not allowed",
        "temperature",
        "this model is not supported",
    ],
)
async def test_a_value_that_is_not_taken_is_the_callers_error(tmp_path: Path, said: str) -> None:
    picky = Picky("openai", said)
    async with proxy_to(picky, tmp_path) as proxy:
        for calls in (1, 2):
            seen = await proxy.ask(PATHS[0], request(PATHS[0], stream=False, temperature=3))
            assert (seen.status, len(picky.asked)) == (400, calls)
            assert said in seen.data["error"]["message"]


async def test_nothing_is_learned_from_a_refusal_that_remains() -> None:
    picky = Picky("openai")
    picky.refuses = "messages"
    body = request(PATHS[0], stream=False, temperature=0.2)
    async with endpoint(picky.handle) as url:
        provider = ChatProvider(picky.config(url), clock=SystemClock())
        with pytest.raises(ProviderRefused):
            async with provider.exchange(body, stream=False):
                pass
        assert not provider.learned()
        await provider.close()
    assert len(picky.asked) == 2


async def test_what_was_left_out_for_an_hour_is_tried_again(caplog: Any) -> None:
    picky, clock = Picky("openai"), ManualClock()
    body = request(PATHS[0], stream=False, temperature=0.2)
    async with endpoint(picky.handle) as url:
        provider = ChatProvider(picky.config(url), clock=clock)
        for seconds, calls in ((0, 2), (3599, 3), (1, 5)):
            clock.advance(seconds)
            async with provider.exchange(body, stream=False) as exchange:
                await exchange.document()
            assert (exchange.left_out, len(picky.asked)) == (("temperature",), calls)
        # Whoever has no headers to read, as a workflow, reads the log: once when it is learned.
        assert caplog.text.count("'picky' does not take temperature for the model 'm'") == 2
        clock.advance(FORGOTTEN_MS / 1000)
        assert not provider.learned()
        await provider.close()


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("Unsupported parameter: 'top_p' is not supported with this model.", ["top_p"]),
        ("top_k: Extra inputs are not permitted", ["top_k"]),
        ('Unknown name "topK" at generation_config', ["top_k"]),
        ("logprobs are not supported with reasoning models", ["logprobs", "top_logprobs"]),
        ("This model doesn't support parallel_tool_calls", ["parallel_tool_calls"]),
        ("tool_choice.disable_parallel_tool_use: not allowed", ["parallel_tool_calls"]),
        ("temperature and top_p are deprecated", ["temperature", "top_p"]),
        ("my_temperature is not supported", []),
    ],
)
def test_what_endpoints_say_is_understood(said: str, names: Sequence[str]) -> None:
    body = dict.fromkeys(CHANGING, 1)
    learnt = adapt(Habits(), said, body, may_drop_schema=False, now_ms=0)
    assert sorted(learnt.left_out if learnt else ()) == names
    assert adapt(Habits(), said, {}, may_drop_schema=False, now_ms=0) is None


@pytest.mark.parametrize("dialect", [Ollama(), Gemini()], ids=["ollama", "gemini"])
@pytest.mark.parametrize("tier", ["auto", "default", "flex", 1])
def test_a_service_tier_that_is_none_there_is_refused(dialect: Any, tier: object) -> None:
    body = request(PATHS[0], stream=False, service_tier=tier)
    if tier in ("auto", "default"):
        assert "service_tier" not in dialect.encode(body)
        return
    with pytest.raises(Untranslatable, match="is none here"):
        dialect.encode(body)
