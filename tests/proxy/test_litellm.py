"""Providers of the kind litellm, through the real library, against an upstream that fails as told."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from holdfast.clock import SystemClock
from holdfast.errors import ProviderError, ProviderRefused, ProviderUnavailable, Untranslatable
from holdfast.routing.config import ProviderConfig, Timeouts
from holdfast.routing.providers.foreign.library import _load
from holdfast.routing.providers.foreign.provider import ForeignProvider
from holdfast.routing.seam import Price
from holdfast.testing.upstream import Act, Counts, Fault, Reply, ToolUse, Upstream
from holdfast.tracing.billing.money import Exchange
from tests.leaping import let_leap, outwait
from tests.proxy.serving import PATHS, provider, proxy_of, request
from tests.routing.kit import ask

SAID = Reply(text="One and two are three.", counts=Counts(input=12, output=7, cached=4))
FREE = Price(input_msat_per_million=0, output_msat_per_million=0)
DOLLARS = Exchange("USD", {date(2026, 1, 1): Decimal(100_000)})
SECRET = "sk-very-secret"
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""The library's own: it is as it is."""
every_prefix = pytest.mark.parametrize("prefix", ["openai", "anthropic"])


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    with fail_after(100_000):  # time leaps; what hangs is ended by the limit of a test
        async with Upstream(default=Act(reply=SAID)) as running:
            yield running


def config_of(prefix: str, upstream: Upstream, **fields: Any) -> ProviderConfig:
    price = Price(input_msat_per_million=10**6, output_msat_per_million=10**6)
    told: dict[str, Any] = {
        "name": "far", "api_key": SECRET, "models": {"m": price}, "kind": "litellm", "prefix": prefix,
        # Its adapter of Anthropic adds /v1/messages itself.
        "base_url": upstream.root if prefix == "anthropic" else upstream.url,
    }  # fmt: skip
    return ProviderConfig(**(told | fields))


@pytest.fixture
async def far(upstream: Upstream) -> AsyncIterator[Callable[..., ForeignProvider]]:
    """Return what makes a provider, which is closed at the end."""
    async with AsyncExitStack() as stack:

        def make(prefix: str, **fields: Any) -> ForeignProvider:
            made = ForeignProvider(config_of(prefix, upstream, **fields), clock=SystemClock())
            stack.push_async_callback(made.close)
            return made

        yield make


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "Add"}]} | fields


@every_prefix
async def test_a_workflow_gets_text_as_it_comes_with_usage_and_cost(
    far: Callable[..., ForeignProvider], upstream: Upstream, prefix: str
) -> None:
    pieces: list[str] = []
    reply = await far(prefix).complete(ask(max_tokens=50, temperature=0.5), pieces.append)
    assert (reply.text, "".join(pieces), reply.finish_reason) == (SAID.text, SAID.text, "stop")
    assert len(pieces) == 4
    used = reply.usage
    assert (used.input_tokens, used.output_tokens, used.cache_read_tokens) == (12, 7, 4)
    assert reply.cost_msat == 19
    (exchange,) = upstream.exchanges
    sent = exchange.json
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("m", 50, 0.5)
    assert SECRET in (
        exchange.headers.get("x-api-key"),
        exchange.headers.get("authorization", "")[7:],
    )


@pytest.mark.parametrize("money", [DOLLARS, None], ids=["a rate", "no rate"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("prefix", ["openai", "openrouter"])
async def test_what_the_endpoint_says_it_charged_is_debited_if_there_is_a_rate(
    upstream: Upstream, prefix: str, stream: bool, money: Exchange | None
) -> None:
    upstream.default = Act(reply=replace(SAID, cost=0.000_05))
    config, clock = config_of(prefix, upstream), SystemClock()
    provider = ForeignProvider(config, clock=clock, money=money)
    async with provider.exchange(body(), stream=stream) as exchange:
        if stream:
            assert [each async for each in exchange.batches()]
        else:
            await exchange.document()
    assert exchange.usage.output_tokens == 7
    # 0.00005 dollars at 100,000 a bitcoin
    assert exchange.charged_msat == (50 if money else None)
    reply = await provider.complete(ask(), None)
    assert reply.cost_msat == (50 if money else 19)
    await provider.close()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", PATHS)
@every_prefix
async def test_every_client_format_is_served_with_tools(
    tmp_path: Path, upstream: Upstream, prefix: str, path: str, stream: bool
) -> None:
    calls = (ToolUse(id="c1", name="add", arguments='{"a":1}'),)
    upstream.default = Act(reply=Reply(text="Let me add.", calls=calls))
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    tools: dict[str, Any] = {
        "/v1/chat/completions": {
            "type": "function",
            "function": {"name": "add", "parameters": schema},
        },
        "/v1/responses": {"type": "function", "name": "add", "parameters": schema, "strict": False},
        "/v1/messages": {"name": "add", "input_schema": schema},
    }
    async with proxy_of(tmp_path, [config_of(prefix, upstream)]) as proxy:
        seen = await proxy.ask(path, request(path, stream=stream, tools=[tools[path]]))
        assert (seen.status, seen.text, seen.says_done) == (200, "Let me add.", True)
        assert b'"add"' in seen.body
        (row,) = await proxy.settled(1)
        assert (row.provider, row.outcome, row.debit_msat) == ("far", "ok", 15)
        assert await proxy.ledger.check() == []


FAULTS: dict[str, tuple[Fault | None, str, str]] = {
    "refused": (None, "connect", "connect"),
    "reset before": (Fault.RESET_BEFORE, "first_byte", "first_byte"),
    "reset in the middle": (Fault.RESET_MIDDLE, "truncated", "truncated"),
    "no first byte": (Fault.HANG, "first_byte", "first_byte"),
    "429": (Fault.RATE_LIMITED, "rate_limit", "rate_limit"),
    "500": (Fault.SERVER_ERROR, "server", "server"),
    "401": (Fault.UNAUTHORISED, "auth", "auth"),
    "402": (Fault.UNPAID, "payment", "payment"),
    "error in a 200": (Fault.ERROR_IN_BODY, "in_band", "in_band"),
    "cut": (Fault.CUT, "malformed", "truncated"),
    "wrong content type": (Fault.WRONG_TYPE, "malformed in_band", "malformed"),
}
"""The fault, and how the ledger calls it: whole, and streamed."""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", list(FAULTS))
@every_prefix
async def test_what_fails_before_the_first_token_is_answered_whole_by_another(
    tmp_path: Path, upstream: Upstream, prefix: str, name: str, stream: bool
) -> None:
    fault, whole, streamed = FAULTS[name]
    # No token has come after one event of chat completions, and after three of messages.
    before = 1 if prefix == "openai" else 3
    upstream.default = Act(fault=fault, after=before, retry_after="7" if name == "429" else None)
    let_leap()
    silent = name == "no first byte"
    waits = Timeouts(connect=5, first_byte=5) if silent else Timeouts()
    async with Upstream(default=Act(reply=Reply(text="Second."))) as second:
        configs = [
            config_of(prefix, upstream, timeouts=waits),
            provider("second", second, 9, patience=10_000.0),
        ]
        async with proxy_of(tmp_path, configs) as proxy:
            if name == "refused":
                await upstream.refuse()
            asking = asyncio.ensure_future(proxy.ask(PATHS[0], request(PATHS[0], stream=stream)))
            if silent:
                await outwait(await upstream.exchange(1), 11)
            seen = await asking
            assert (seen.status, seen.text, seen.says_done) == (200, "Second.", True)
            assert seen.headers["x-holdfast-retries"] == "1/far"
            (row,) = await proxy.settled(1)
            first, then = (each.outcome for each in row.attempts)
            assert (first in (streamed if stream else whole).split(), then) == (True, "ok")
            assert len(upstream.exchanges) == (0 if name == "refused" else 1)
            circuits = proxy.router.dispatcher.board.circuits()
            assert any(each.paused_until_ms for each in circuits.values()) == (name == "429")


@pytest.mark.parametrize("fault", [Fault.RESET_MIDDLE, Fault.ERROR_IN_BODY, Fault.CUT, Fault.STALL])
@every_prefix
async def test_a_stream_that_fails_after_its_first_token_is_no_whole_answer(
    far: Callable[..., ForeignProvider], upstream: Upstream, prefix: str, fault: Fault
) -> None:
    upstream.default = Act(fault=fault, after=5, reply=SAID)
    waits = Timeouts(idle=0.2) if fault is Fault.STALL else Timeouts()
    names = {Fault.ERROR_IN_BODY: "in_band", Fault.STALL: "idle"}
    pieces: list[str] = []
    with pytest.raises(ProviderUnavailable) as caught:
        await far(prefix, timeouts=waits).complete(ask(), pieces.append)
    assert caught.value.fault == names.get(fault, "truncated")
    assert pieces
    assert SAID.text.startswith("".join(pieces))
    assert len(upstream.exchanges) == 1


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.STALL])
@every_prefix
async def test_a_cancelled_call_closes_its_connection(
    far: Callable[..., ForeignProvider], upstream: Upstream, prefix: str, fault: Fault
) -> None:
    upstream.default = Act(fault=fault, after=5, reply=SAID)
    calling = asyncio.ensure_future(far(prefix).complete(ask(), None))
    exchange = await upstream.exchange(1)
    await exchange.stalled.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    with fail_after(60):
        await exchange.left.wait()


@every_prefix
async def test_who_leaves_a_stream_early_closes_its_connection(
    far: Callable[..., ForeignProvider], upstream: Upstream, prefix: str
) -> None:
    upstream.default = Act(fault=Fault.STALL, after=5, reply=SAID)
    async with far(prefix).exchange(body(), stream=True) as exchange:
        async for _ in exchange.batches():
            break
    with fail_after(60):
        await upstream.exchanges[0].left.wait()


async def test_embeddings_are_asked_for_and_paid(tmp_path: Path, upstream: Upstream) -> None:
    upstream.default = Act(reply=Reply(counts=Counts(input=12, output=0)))
    async with proxy_of(tmp_path, [config_of("openai", upstream)]) as proxy:
        seen = await proxy.ask("/v1/embeddings", {"model": "m", "input": ["one", "two"]})
        assert (seen.status, len(seen.data["data"])) == (200, 2)
        assert seen.headers["x-holdfast-cost-msat"] == "12"


async def test_what_was_charged_reaches_clients_of_the_proxy(
    tmp_path: Path, upstream: Upstream
) -> None:
    upstream.default = Act(reply=replace(SAID, cost=0.000_05))
    async with proxy_of(tmp_path, [config_of("openai", upstream)], money=DOLLARS) as proxy:
        seen = await proxy.ask(PATHS[0], request(PATHS[0], stream=False))
        assert seen.headers["x-holdfast-cost-msat"] == "50"


@pytest.mark.parametrize(
    "name",
    ["api_base", "base_url", "api_key", "mock_response", "callbacks", "fallbacks", "model_list"],
)
async def test_a_client_cannot_steer_the_library(
    tmp_path: Path, upstream: Upstream, name: str
) -> None:
    async with Upstream() as evil, proxy_of(tmp_path, [config_of("openai", upstream)]) as proxy:
        embedding = {"model": "m", "input": "x"}
        for path, sent in (
            (PATHS[0], request(PATHS[0], stream=False)),
            ("/v1/embeddings", embedding),
        ):
            seen = await proxy.ask(path, sent | {name: evil.url})
            assert seen.status == 400
            assert name in seen.body.decode()
        assert (evil.exchanges, upstream.exchanges) == ([], [])


async def test_what_the_adapter_cannot_send_is_refused_and_another_may_be_asked(
    far: Callable[..., ForeignProvider], upstream: Upstream
) -> None:
    asked = body(logit_bias={"1": 1})
    with pytest.raises(ProviderRefused, match="logit_bias") as caught:
        async with far("anthropic").exchange(asked, stream=False):
            pass
    assert caught.value.fault == "forbidden"
    with pytest.raises(ProviderRefused, match="nosuch") as caught:
        async with far("nosuch").exchange(body(), stream=False):
            pass
    assert caught.value.fault == "model"
    with pytest.raises(Untranslatable, match="future"):
        async with far("openai").exchange(body(future=1), stream=False):
            pass
    assert upstream.exchanges == []


async def test_no_key_of_the_environment_goes_to_an_address_of_the_settings(
    far: Callable[..., ForeignProvider], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    await far("openai", api_key=None).complete(ask(), None)
    assert upstream.exchanges[0].headers["authorization"] == "Bearer none"


async def test_an_error_shows_neither_key_nor_option(
    far: Callable[..., ForeignProvider], upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.default = Act(fault=Fault.SERVER_ERROR)
    with pytest.raises(ProviderError) as caught:
        await far("openai", options={"organization": "org-secret"}).complete(ask(), None)
    assert "scripted 500" in caught.value.message
    assert caught.value.__cause__ is None
    out = capfd.readouterr()
    for secret in (SECRET, "org-secret", "litellm.ai", "Give Feedback"):
        assert secret not in caught.value.message + caught.value.hint + out.out + out.err


async def test_the_library_is_left_without_callbacks_retries_and_downloads(
    far: Callable[..., ForeignProvider],
) -> None:
    await far("openai").complete(ask(), None)
    import litellm

    assert (litellm.telemetry, litellm.num_retries, litellm.cache) == (False, 0, None)
    assert litellm.disable_hf_tokenizer_download is True
    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"  # else it is fetched
    assert litellm.success_callback == litellm.failure_callback == litellm.callbacks == []


IMPORTS = """
import sys
import holdfast.app.services, holdfast.cli.main, holdfast.proxy.routes, holdfast.routing.router
import holdfast.routing.providers.foreign.provider
assert "litellm" not in sys.modules
"""


def test_nothing_imports_the_library_before_it_is_used() -> None:
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)


async def test_without_the_extra_the_error_names_it_and_another_provider_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    _load.cache_clear()
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
    async with Upstream() as near:
        far = ProviderConfig(name="far", base_url="", kind="litellm", prefix="bedrock")
        async with proxy_of(tmp_path / "1", [far]) as proxy:
            seen = await proxy.ask(PATHS[0], request(PATHS[0], stream=False))
            told = seen.data["error"]["message"]
            assert seen.status == 502
            assert "'far' is of the kind litellm, and that library cannot be imported" in told
            assert "pip install 'holdfast[litellm]'" in told
        free = replace(far, models={"m": FREE})
        async with proxy_of(tmp_path / "2", [free, provider("near", near, 1)]) as proxy:
            seen = await proxy.ask(PATHS[0], request(PATHS[0], stream=False))
            assert seen.headers["x-holdfast-retries"] == "1/far"
    _load.cache_clear()


async def test_the_loop_goes_on_while_the_library_is_imported() -> None:
    program = """
import asyncio
from holdfast.routing.providers.foreign.library import library

async def main():
    importing = asyncio.ensure_future(library("far"))
    turns = 0
    while not importing.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5, turns

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    with fail_after(120):
        assert await process.wait() == 0
