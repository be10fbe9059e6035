"""Requests through the proxy are spans: of their client's trace, and told to upstreams that may know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from holdfast.frozen import replace
from holdfast.proxy.joining import traced
from holdfast.testing.clock import ManualClock
from holdfast.testing.upstream import Upstream
from holdfast.tracing.kept import Kept
from holdfast.tracing.propagation import NOTHING, Carried, PassingOn, tell, told
from holdfast.tracing.span import Span
from holdfast.tracing.tracer import Tracer
from holdfast.web.http import Request
from tests.proxy.serving import Proxy, provider, proxy_of, request

CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
PATHS = (CHAT, "/v1/messages", "/v1/responses", EMBED)
TRACE, PARENT = "c" * 32, "d" * 16
CLIENT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "k=v", "baggage": "user=1"}


async def no_message():
    raise AssertionError("the body of this request is not asked for")


def body_for(path: str, *, stream: bool) -> object:
    return {"model": "m", "input": "a"} if path == EMBED else request(path, stream=stream)


def spans_of(proxy: Proxy) -> Sequence[Span]:
    """Return the spans that have ended, with none left open."""
    kept = cast("Kept", proxy.router.dispatcher.tracer.sink)
    assert not kept.open
    return kept.spans


@pytest.mark.parametrize(
    ("path", "stream"), [(path, stream) for path in PATHS for stream in (False, True)]
)
async def test_a_request_is_in_the_trace_of_its_client_and_else_in_one_with_its_own_id(
    tmp_path, path, stream
):
    body = body_for(path, stream=stream and path != EMBED)
    async with Upstream() as upstream, proxy_of(tmp_path, [provider("p", upstream, 1)]) as proxy:
        alone, joined = await proxy.ask(path, body), await proxy.ask(path, body, **CLIENT)
        assert (alone.status, joined.status) == (200, 200)
        call, above, call_joined, above_joined = spans_of(proxy)
    assert (above.kind, above.parent_id, call.parent_id) == ("server", None, above.span_id)
    assert above.trace_id == call.trace_id == above.attributes["request_id"]
    assert above.trace_id in alone.headers.values()
    assert above.attributes["model"] == "m"
    assert (above_joined.trace_id, above_joined.parent_id) == (TRACE, PARENT)
    assert (call_joined.trace_id, call_joined.parent_id) == (TRACE, above_joined.span_id)
    assert above_joined.attributes["request_id"] in joined.headers.values()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_upstream_is_told_of_the_trace_only_where_the_settings_say_so(tmp_path, stream):
    async with Upstream() as own, Upstream() as other:
        configs = [
            replace(provider("own", own, 1, models=("m",)), trace_context=True),
            provider("other", other, 1, models=("n",)),
        ]
        async with proxy_of(tmp_path, configs) as proxy:
            for model in ("m", "n", "m"):
                headers = {} if own.exchanges and other.exchanges else CLIENT
                body = request(CHAT, stream=stream) | {"model": model}
                assert (await proxy.ask(CHAT, body, **headers)).status == 200
            spans = [each for each in spans_of(proxy) if each.kind == "model"]
    told, alone = (each.headers for each in own.exchanges)
    assert told["traceparent"] == f"00-{TRACE}-{spans[0].span_id}-01"
    assert (told["tracestate"], told["baggage"]) == ("k=v", "user=1")
    assert alone["traceparent"] == f"00-{spans[2].trace_id}-{spans[2].span_id}-01"
    assert not {"tracestate", "baggage"} & alone.keys()
    assert not CLIENT.keys() & other.exchanges[0].headers.keys()


async def test_what_this_process_was_told_is_told_to_no_upstream_of_a_request(tmp_path):
    tell(Carried(baggage="whose=ours"))
    try:
        async with Upstream() as upstream:
            config = replace(provider("own", upstream, 1), trace_context=True)
            async with proxy_of(tmp_path, [config]) as proxy:
                for headers in ({}, {"baggage": "user=1"}):
                    await proxy.ask(CHAT, request(CHAT, stream=False), **headers)
    finally:
        tell(NOTHING)
    alone, joined = (each.headers for each in upstream.exchanges)
    assert "traceparent" in alone
    assert (alone.get("baggage"), joined["baggage"]) == (None, "user=1")


@pytest.mark.parametrize("headers", [{}, {"baggage": "user=1"}, CLIENT])
def test_the_span_of_a_request_lasts_as_long_as_its_block(headers):
    kept, before = Kept(), Carried(baggage="before=1")
    tracer = Tracer(clock=ManualClock(), sink=kept)
    asked = Request(
        {
            "method": "POST",
            "path": CHAT,
            "headers": [(name.encode(), line.encode()) for name, line in headers.items()],
        },
        no_message,
    )

    def pieces():
        with traced(tracer, asked, "e" * 32) as span:
            assert tracer.current() is span
            yield told()
            assert tracer.current() is span

    with PassingOn(before), tracer.span("consumer", trace_id="f" * 32) as consumer:
        for brought in pieces():
            assert brought.baggage == headers.get("baggage", "")
            assert tracer.current() is consumer
        assert told() is before
    above, _ = kept.spans
    assert (above.name, above.kind) == (f"POST {CHAT}", "server")
    assert not kept.open


async def test_what_goes_wrong_stands_in_the_span_of_the_request(tmp_path):
    async with Upstream() as upstream, proxy_of(tmp_path, [provider("p", upstream, 1)]) as proxy:
        assert (
            await proxy.ask(CHAT, request(CHAT, stream=False) | {"model": "none"})
        ).status >= 400
        assert (await proxy.ask(CHAT, b"{")).status == 400
        above = [each for each in spans_of(proxy) if each.kind == "server"]
    assert [each.status for each in above] == ["error", "error"]
    assert above[1].error
