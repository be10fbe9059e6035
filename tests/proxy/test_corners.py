"""The edges of the proxy: ids, methods, wrong paths, refusals in the client's format, what it tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from holdfast.clock import SystemClock
from holdfast.errors import StorageFull
from holdfast.proxy.limits import RateLimit
from holdfast.routing.breakers.board import Place
from holdfast.routing.config import RoutingConfig
from holdfast.routing.selection.policies import Policy
from holdfast.testing.upstream import Act, Fault, Upstream
from tests.proxy.serving import PATHS, Proxy, Seen, provider, proxy_of, request

TOKEN = "long-random-word"
ASKED = (*PATHS, "/v1/embeddings", "/v1/cost")
READ = ("/health", "/providers", "/v1/models", "/v1/models/m", "/v1/stats", "/v1/requests")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    with fail_after(30):
        async with Upstream() as running:
            yield running


@pytest.fixture
async def proxy(tmp_path: Path, upstream: Upstream) -> AsyncIterator[Proxy]:
    routing = RoutingConfig(policies=(Policy(name="thrifty", strategy="cheapest"),))
    async with proxy_of(tmp_path, [provider("only", upstream, 1)], routing=routing) as running:
        yield running


async def call(proxy: Proxy, method: str, path: str, **headers: str) -> Seen:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with proxy.client.request(method, proxy.address + path, headers=named) as answer:
        return Seen(path, answer.status, answer.headers, await answer.read())


def body_for(path: str) -> dict[str, Any]:
    return (
        {"model": "m", "input": "Hi"} if path == "/v1/embeddings" else request(path, stream=False)
    )


def is_told_in_the_clients_format(seen: Seen) -> bool:
    """Whether an error has the shape and the id that the official client of a path looks for."""
    error, identity = seen.data["error"], seen.headers["x-holdfast-request-id"]
    is_anthropic = seen.path.startswith("/v1/messages")
    if seen.headers["request-id" if is_anthropic else "x-request-id"] != identity:
        return False
    if is_anthropic:
        return seen.data["type"] == "error" and set(error) == {"type", "message"}
    return set(error) == {"message", "type", "param", "code"}


async def test_every_refusal_is_in_the_format_of_the_path_and_names_its_request(
    tmp_path: Path, upstream: Upstream
) -> None:
    once = RateLimit(1, SystemClock())
    only = [provider("only", upstream, 1)]
    async with proxy_of(tmp_path, only, token=TOKEN, limit=once) as proxy:
        right = {"authorization": f"Bearer {TOKEN}"}
        seen = await proxy.ask("/v1/embeddings", body_for("/v1/embeddings"), **right)
        ids = {seen.headers["x-holdfast-request-id"]}
        for path in (*ASKED, "/v1/messages/count_tokens", "/v1/completions"):
            refusals = [
                (await proxy.ask(path, b"{"), 401),
                (await proxy.ask(path, b"{", host="evil.test"), 403),
                (await proxy.ask(path, b"{", origin="http://evil.test"), 403),
            ]
            if path in PATHS:
                refusals.append((await proxy.ask(path, body_for(path), **right), 429))
            if path not in ASKED:
                refusals.append((await proxy.ask(path, b"{", **right), 404))
            for seen, status in refusals:
                assert seen.status == status
                assert is_told_in_the_clients_format(seen), seen.body
                assert ("www-authenticate" in seen.headers) == (status == 401)
                assert ("retry-after" in seen.headers) == (status == 429)
                ids.add(seen.headers["x-holdfast-request-id"])
        assert len(ids) == 1 + 7 * 3 + 3 + 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_failed_request_is_found_in_the_ledger_by_the_id_of_its_answer(
    proxy: Proxy, upstream: Upstream, path: str, stream: bool
) -> None:
    upstream.default = Act(fault=Fault.SERVER_ERROR)
    seen = await proxy.ask(path, request(path, stream=stream))
    assert seen.status == 503
    assert is_told_in_the_clients_format(seen)
    (row,) = await proxy.logged()
    assert (row.id, row.outcome) == (seen.headers["x-holdfast-request-id"], "server")


async def test_an_id_that_a_client_sends_is_not_taken_over(proxy: Proxy) -> None:
    seen = await proxy.ask(
        PATHS[0], request(PATHS[0], stream=False), x_request_id="mine", x_holdfast_request_id="mine"
    )
    assert "mine" not in (seen.headers["x-request-id"], seen.headers["x-holdfast-request-id"])


@pytest.mark.parametrize("value", [1, 0, "yes", "true", [], {}])
@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_is_wanted_or_not_and_nothing_between(
    proxy: Proxy, upstream: Upstream, path: str, value: object
) -> None:
    seen = await proxy.ask(path, request(path, stream=False) | {"stream": value})
    assert seen.status == 400
    assert "must be true or false" in seen.data["error"]["message"]
    assert "stream" in seen.body.decode()
    assert upstream.exchanges == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_of_null_is_none(proxy: Proxy, path: str) -> None:
    seen = await proxy.ask(path, request(path, stream=False) | {"stream": None})
    assert (seen.status, seen.streamed) == (200, False)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/cost"])
async def test_bodies_that_are_none_are_refused_at_the_other_paths_too(
    proxy: Proxy, upstream: Upstream, path: str
) -> None:
    for body in (b"", b"{", b'{"model": "\xff"}', b"[" * 100_000, b"[]", b"{}", b" " * (65 << 20)):
        seen = await proxy.ask(path, body)
        assert seen.status == (413 if len(body) > 64 << 20 else 400)
        assert is_told_in_the_clients_format(seen)
    assert upstream.exchanges == []


async def test_a_model_that_nobody_has_is_answered_with_those_that_are_like_it(
    tmp_path: Path, upstream: Upstream
) -> None:
    names = [f"kelp-{number}-large" for number in range(30)] + ["llama"]
    only = provider("only", upstream, 1, models=names)
    async with proxy_of(tmp_path, [only]) as proxy:
        for path in (*PATHS, "/v1/cost"):
            seen = await proxy.ask(path, body_for(path) | {"model": "kelp-3-larg"})
            told = seen.data["error"]["message"]
            assert seen.status == 404
            assert "did you mean 'kelp-3-large' or 'kelp-" in told
            assert "and 11 more" in told
            assert "llama" not in told


async def test_each_path_has_its_methods(proxy: Proxy) -> None:
    for path in (*ASKED, *READ):
        allowed = "POST" if path in ASKED else "GET, HEAD"
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {*allowed.split(", ")}:
            seen = await call(proxy, method, path)
            assert (seen.status, seen.headers["allow"]) == (405, allowed)
            assert f"use {allowed}" in seen.data["error"]["message"]
            assert is_told_in_the_clients_format(seen)
        seen = await call(proxy, "OPTIONS", path)
        assert (seen.status, seen.headers["allow"], seen.body) == (200, f"{allowed}, OPTIONS", b"")
        seen = await call(proxy, "HEAD", path)
        assert (seen.status, seen.body) == (405 if path in ASKED else 200, b"")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/messages", "/v1/messages"),
        ("/openai/v1/responses", "/v1/responses"),
    ],
)
async def test_a_wrong_base_address_is_told_with_the_path_that_was_meant(
    proxy: Proxy, path: str, meant: str
) -> None:
    seen = await proxy.ask(path, request(meant, stream=False))
    assert seen.status == 404
    assert f"did you mean {meant}?" in seen.data["error"]["message"]


async def test_headers_of_arbstr_are_understood_and_ours_come_first(proxy: Proxy) -> None:
    path = PATHS[0]
    body = request(path, stream=False)
    seen = await proxy.ask(path, body, x_arbstr_policy="thrifty")
    assert seen.headers["x-holdfast-policy"] == "thrifty"
    seen = await proxy.ask(path, body, x_arbstr_policy="none")
    assert (seen.status, "no routing policy 'none'" in seen.data["error"]["message"]) == (400, True)
    seen = await proxy.ask(path, body, x_arbstr_policy="none", x_holdfast_policy="thrifty")
    assert seen.status == 200
    # The provider's tier is standard: what is called easy may not go there.
    for word, status in (("low", 404), ("LOW", 404), ("medium", 200), ("high", 200), ("odd", 200)):
        seen = await proxy.ask(path, body, x_arbstr_complexity=word)
        assert seen.status == status, word


async def test_the_health_is_that_of_the_providers(tmp_path: Path) -> None:
    async with Upstream() as first, Upstream() as second:
        configs = [provider("first", first, 1), provider("second", second, 2)]
        async with proxy_of(tmp_path, configs, token=TOKEN) as proxy:
            seen = await call(proxy, "GET", "/health")
            told = {"state": "closed", "failures": 0, "tier": "standard"}
            assert (seen.status, seen.data) == (
                200, {"status": "ok", "providers": {"first": told, "second": told}},
            )  # fmt: skip
            board, key = proxy.router.dispatcher.board, configs[0].traits.key
            board.force(Place("first", key), "open")
            seen = await call(proxy, "GET", "/health")
            assert (seen.status, seen.data["status"]) == (200, "degraded")
            assert seen.data["providers"]["first"]["state"] == "open"
            board.force(Place("second", key), "open")
            seen = await call(proxy, "GET", "/health")
            assert (seen.status, seen.data["status"]) == (503, "unhealthy")


async def test_the_providers_are_told_without_their_keys(proxy: Proxy) -> None:
    seen = await call(proxy, "GET", "/providers")
    (only,) = seen.data["providers"]
    assert (only["name"], only["tier"], only["state"]) == ("only", "standard", "closed")
    assert only["models"][0]["price"]["input_sats_per_million"] == 1000
    assert "key" not in seen.body.decode()


async def test_the_cost_is_told_without_a_call_and_without_a_line_in_the_ledger(
    proxy: Proxy, upstream: Upstream
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 4000}], "max_tokens": 50}
    seen = await proxy.ask("/v1/cost", body)
    assert (seen.status, seen.data["output_tokens"]) == (200, 50)
    assert 1000 <= seen.data["input_tokens"] < 1020  # four bytes a token
    (only,) = seen.data["candidates"]
    assert (only["provider"], only["status"]) == ("only", "chosen")
    assert only["expected_msat"] >= 1050
    assert (upstream.exchanges, await proxy.logged()) == ([], [])


@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_that_is_whole_ends_well_also_where_it_cannot_be_booked(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    async def full(*_: object) -> None:
        raise StorageFull("no space is left")

    monkeypatch.setattr(proxy.ledger, "settle_soon", full)
    seen = await proxy.ask(path, request(path, stream=True))
    assert seen.says_done
    assert "could not be booked: no space is left" in caplog.text
