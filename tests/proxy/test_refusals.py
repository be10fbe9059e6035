"""What the proxy does not take: the right status, and a sentence in the client's own format."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import Untranslatable
from holdfast.proxy.routes import FACES
from holdfast.proxy.wishes import ask_of
from holdfast.testing.upstream import Upstream
from holdfast.web.http import Refused, Request
from tests.proxy.serving import PATHS, Proxy, Seen, provider, proxy_of, request

TOKEN = "long-random-word"
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


def told(seen: Seen) -> str:
    """Return the sentence of an error, which the format has at its place."""
    if seen.path == "/v1/messages":
        assert seen.data["type"] == "error"
    assert seen.data["error"]["type"]
    return seen.data["error"]["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"model": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "model"),
    ],
)
@every_path
async def test_a_body_that_is_no_request_is_told_so(
    proxy: Proxy, upstream: Upstream, path: str, body: bytes, said: str
) -> None:
    seen = await proxy.ask(path, body)
    assert seen.status == 400
    assert said in told(seen)
    assert (upstream.exchanges, await proxy.logged()) == ([], [])


@every_path
async def test_a_body_of_more_than_64_mib_is_too_long_packed_or_not(
    proxy: Proxy, upstream: Upstream, path: str
) -> None:
    long = b" " * (65 << 20)
    for seen in (
        await proxy.ask(path, long),
        await proxy.ask(path, gzip.compress(long, 1), content_encoding="gzip"),
    ):
        assert seen.status == 413
        assert "64 MiB" in told(seen)
    assert upstream.exchanges == []


@every_path
async def test_a_body_whose_length_is_not_told_is_counted_as_it_comes(
    proxy: Proxy, upstream: Upstream, path: str
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield b" " * (1 << 20)

    async with proxy.client.post(proxy.address + path, data=pieces()) as answer:
        assert answer.status == 413
        assert "64 MiB" in (await answer.json())["error"]["message"]
    assert upstream.exchanges == []


@pytest.mark.parametrize(
    ("fields", "headers", "status", "said"),
    [
        ({"model": "mm"}, {}, 404, "did you mean 'm'?"),
        ({}, {"x_holdfast_policy": "cheap"}, 400, "no routing policy 'cheap'"),
        ({}, {"x_holdfast_strategy": "best"}, 400, "x-holdfast-strategy must be one of cheapest"),
        ({}, {"x_holdfast_tier": "high"}, 400, "x-holdfast-tier must be one of local"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@every_path
async def test_what_nobody_can_serve_is_told_with_what_to_change(
    proxy: Proxy,
    upstream: Upstream,
    path: str,
    stream: bool,
    fields: dict[str, Any],
    headers: dict[str, str],
    status: int,
    said: str,
) -> None:
    seen = await proxy.ask(path, request(path, stream=stream, **fields), **headers)
    assert seen.status == status
    assert said in told(seen)
    assert upstream.exchanges == []


async def test_everything_but_health_wants_the_token(tmp_path: Path, upstream: Upstream) -> None:
    async with proxy_of(tmp_path, [provider("only", upstream, 1)], token=TOKEN) as proxy:
        for path in PATHS:
            body = request(path, stream=False)
            for wrong in ({}, {"authorization": "Bearer wrong"}, {"x_api_key": "wrong"}):
                seen = await proxy.ask(path, body, **wrong)
                assert seen.status == 401
                assert "Bearer TOKEN" in seen.data["error"]["message"]
            for right in ({"authorization": f"Bearer {TOKEN}"}, {"x_api_key": TOKEN}):
                assert (await proxy.ask(path, body, **right)).status == 200
        for path in ("/providers", "/v1/models", "/v1/stats", "/v1/requests"):
            async with proxy.client.get(proxy.address + path) as answer:
                assert answer.status == 401
        async with proxy.client.get(proxy.address + "/health") as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "ok")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "name"]), inner),
    max_leaves=5,
)  # fmt: skip
members = st.sampled_from(
    ["model", "messages", "input", "max_tokens", "max_completion_tokens", "max_output_tokens",
     "stream", "stream_options", "tools", "tool_choice", "system", "instructions", "temperature",
     "thinking", "reasoning", "response_format", "metadata", "stop", "n"]
)  # fmt: skip


@every_path
@settings(max_examples=150, deadline=None)
@given(fields=st.dictionaries(members, json_values, max_size=3), message=json_values)
def test_any_object_is_understood_or_refused_with_a_reason(
    path: str, fields: dict[str, object], message: object
) -> None:
    body = request(path, stream=False)
    place = "input" if path == "/v1/responses" else "messages"
    spoken = {"role": "user", "content": "Hi"}
    for document in (body | fields, body | {place: [spoken, message]} | fields):
        with suppress(Refused, Untranslatable):
            asked = FACES[path].read(document)
            ask_of(Request({"method": "POST", "path": path, "headers": []}, _receive), asked.body)


async def _receive() -> dict[str, object]:
    return {"type": "http.disconnect"}
