"""The OpenAI-compatible provider against an endpoint that says whatever the test wants."""

from __future__ import annotations

import asyncio
import json
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from holdfast.errors import ProviderRefused, ProviderUnavailable
from holdfast.routing.providers import transport
from holdfast.routing.providers.failures import parse_retry_after
from holdfast.routing.seam import Message, ModelRequest, Price, Usage
from tests.routing.kit import (
    DONE,
    NUMBER,
    NUMBER_SCHEMA,
    SECRET,
    answering,
    ask,
    delta,
    endpoint,
    provider_at,
    streaming,
)

USAGE = {"prompt_tokens": 7, "completion_tokens": 3}


async def complete(handler, request=None, on_text=None, **config):
    async with endpoint(handler) as url, provider_at(url, **config) as provider:
        return await provider.complete(request or ask(), on_text)


async def test_a_stream_is_passed_on_piece_by_piece_and_its_usage_is_priced():
    pieces: list[str] = []
    price = Price(input_msat_per_million=10**6, output_msat_per_million=2 * 10**6)
    last = delta(finish="stop"), delta(usage=USAGE), DONE
    reply = await complete(
        streaming(delta("Hel"), b": ping\n\n", delta("lo"), *last),
        on_text=pieces.append,
        models={"m": price},
    )
    assert (pieces, reply.text, reply.finish_reason) == (["Hel", "lo"], "Hello", "stop")
    assert reply.usage == Usage(input_tokens=7, output_tokens=3)
    assert (reply.cost_msat, reply.calls) == (13, 1)


async def test_a_stream_with_crlf_and_without_usage_has_an_unknown_cost():
    price = Price(input_msat_per_million=1, output_msat_per_million=1)
    stream = (delta("Grüße") + delta(finish="length") + DONE).replace(b"\n", b"\r\n")
    reply = await complete(
        streaming(*(stream[at : at + 1] for at in range(len(stream)))), models={"m": price}
    )
    assert (reply.text, reply.finish_reason) == ("Grüße", "length")
    assert reply.usage == Usage()
    assert reply.cost_msat is None


async def test_either_end_mark_alone_is_enough():
    assert (await complete(streaming(delta("a"), DONE))).text == "a"
    assert (await complete(streaming(delta("a", finish="stop")))).text == "a"
    assert (await complete(streaming(delta("a"), b"data: [DONE]"))).text == "a"


@pytest.mark.parametrize("pieces", [(), (delta("half"),), (delta("half"), b'data: {"cho')])
async def test_a_stream_that_breaks_off_is_an_outage_and_not_an_answer(pieces):
    with pytest.raises(ProviderUnavailable):
        await complete(streaming(*pieces))


async def test_a_connection_lost_in_the_middle_is_an_outage():
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        await response.write(delta("half"))
        request.transport.abort()
        return response

    with pytest.raises(ProviderUnavailable, match="broke"):
        await complete(handler)


async def test_a_connection_lost_after_the_last_word_loses_nothing():
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        await response.write(delta("whole", finish="stop"))
        request.transport.abort()
        return response

    assert (await complete(handler)).text == "whole"


async def test_an_error_of_the_listener_stays_the_listeners():
    def listen(text: str) -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await complete(streaming(delta("a", finish="stop"), DONE), on_text=listen)


async def test_an_event_that_is_not_json_fails_rather_than_leaving_a_hole():
    with pytest.raises(ProviderUnavailable, match="not JSON"):
        await complete(streaming(delta("a"), b"data: {oops\n\n", delta("b"), DONE))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "overloaded", "type": "server_error"}, ProviderUnavailable),
        ({"message": "slow down", "type": "rate_limit_error"}, ProviderUnavailable),
        ({"message": "no such model", "code": 404}, ProviderRefused),
        ({"message": "bad", "type": "invalid_request_error"}, ProviderRefused),
        ("something broke", ProviderUnavailable),
    ],
)
async def test_an_error_inside_an_answer_with_status_200_is_an_error(error, kind):
    event = b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
    for handler in (streaming(delta("a"), event, DONE), answering(200, {"error": error})):
        with pytest.raises(kind):
            await complete(handler)


async def test_an_endpoint_that_does_not_stream_is_understood():
    body = {
        "choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    pieces: list[str] = []
    reply = await complete(answering(200, body), on_text=pieces.append)
    assert (reply.text, pieces) == ("whole", ["whole"])
    assert reply.usage == Usage(input_tokens=7, output_tokens=3)


async def test_a_web_page_points_to_the_base_url():
    async def handler(request):
        return web.Response(text="<html>hello</html>", content_type="text/html")

    with pytest.raises(ProviderRefused) as caught:
        await complete(handler)
    assert "base_url" in caught.value.hint


async def test_a_redirect_is_not_followed():
    asked: list[str] = []

    async def handler(request):
        asked.append(request.path)
        raise web.HTTPTemporaryRedirect("/elsewhere")

    with pytest.raises(ProviderRefused):
        await complete(handler)
    assert asked == ["/v1/chat/completions"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
async def test_what_may_pass_is_unavailable_with_the_time_to_wait(status):
    body = {"error": {"message": "later please"}}
    with pytest.raises(ProviderUnavailable, match="later please") as caught:
        await complete(answering(status, body, {"Retry-After": "2.5"}))
    assert caught.value.retry_after == 2.5


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
async def test_what_will_not_pass_is_refused_with_what_to_mend(status):
    with pytest.raises(ProviderRefused) as caught:
        await complete(answering(status, {"error": {"message": "no"}}))
    assert caught.value.hint


@pytest.mark.promise("keys-never-shown")
async def test_a_refused_key_names_its_variable_and_never_shows_the_key():
    body = {"error": {"message": f"Incorrect API key provided: {SECRET[:9]}***{SECRET}"}}
    for status in (400, 401, 403, 500):
        with pytest.raises((ProviderRefused, ProviderUnavailable)) as caught:
            await complete(answering(status, body), key_variable="MY_KEY")
        shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
        assert SECRET not in shown
        assert "MY_KEY" in caught.value.hint or status != 401
    with pytest.raises(ProviderRefused) as caught:
        await complete(answering(401, body))
    assert "STUB_API_KEY" in caught.value.hint


async def test_a_missing_key_is_refused_before_anything_is_sent():
    async def handler(request):
        raise AssertionError("nothing may be sent")

    with pytest.raises(ProviderRefused, match="MY_KEY"):
        await complete(handler, api_key=None, key_variable="MY_KEY")


def test_a_retry_after_may_be_seconds_or_a_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    now_ms = int(now.timestamp() * 1000)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    earlier = format_datetime(now - timedelta(seconds=90), usegmt=True)
    given = ["3", later, earlier, "soon", "nan", "inf", "-4", None]
    assert [parse_retry_after(value, now_ms) for value in given] == [
        3.0, 90.0, 0.0, None, None, None, 0.0, None,
    ]  # fmt: skip


async def test_the_request_is_what_was_written_and_nothing_more():
    seen: list[dict] = []

    async def handler(request):
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        seen.append(await request.json())
        return await streaming(delta("ok", finish="stop"), DONE)(request)

    messages = (Message(role="system", content=" s "), Message(role="user", content="ü\n"))
    await complete(handler, ModelRequest(model="m", messages=messages))
    await complete(handler, ask(temperature=0.5, max_tokens=9, output=NUMBER))
    assert seen[0] == {
        "model": "m",
        "messages": [{"role": "system", "content": " s "}, {"role": "user", "content": "ü\n"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert (seen[1]["temperature"], seen[1]["max_tokens"]) == (0.5, 9)
    form = {"name": "number", "schema": NUMBER_SCHEMA, "strict": True}
    assert seen[1]["response_format"] == {"type": "json_schema", "json_schema": form}


def picky(word: str, message: str, seen: list[bool]):
    """Return a handler that refuses requests with the parameter `word`."""

    async def handler(request):
        has = word in await request.json()
        seen.append(has)
        if has:
            return web.json_response({"error": {"message": message}}, status=400)
        return await streaming(delta("{}", finish="stop"), DONE)(request)

    return handler


async def test_auto_finds_out_once_that_an_endpoint_has_no_schemas():
    seen: list[bool] = []
    handler = picky("response_format", "Unknown parameter: response_format", seen)
    async with endpoint(handler) as url, provider_at(url) as provider:
        first = await provider.complete(ask(output=NUMBER), None)
        second = await provider.complete(ask(output=NUMBER), None)
    assert seen == [True, False, False]
    assert (first.calls, second.calls) == (2, 1)


async def test_a_schema_that_is_itself_wrong_is_not_held_against_the_endpoint():
    seen: list[bool] = []
    handler = picky("response_format", "Invalid schema for response_format 'number'", seen)
    async with endpoint(handler) as url, provider_at(url) as provider:
        for _ in range(2):
            await provider.complete(ask(output=NUMBER), None)
    assert seen == [True, False, True, False]


async def test_the_setting_json_schema_never_gives_up_and_none_never_asks():
    seen: list[bool] = []
    handler = picky("response_format", "Unknown parameter: response_format", seen)
    with pytest.raises(ProviderRefused):
        await complete(handler, ask(output=NUMBER), structured_output="json_schema")
    await complete(handler, ask(output=NUMBER), structured_output="none")
    assert seen == [True, False]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("max_tokens", "Unsupported 'max_tokens'; use 'max_completion_tokens' instead"),
        ("stream_options", "Extra inputs are not permitted: stream_options"),
    ],
)
async def test_an_endpoint_with_other_parameters_is_asked_in_its_way(word, message):
    seen: list[bool] = []
    await complete(picky(word, message, seen), ask(max_tokens=5))
    assert seen == [True, False]


async def test_an_answer_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1000)
    with pytest.raises(ProviderRefused, match="sent more"):
        await complete(streaming(*[delta("x" * 100)] * 100))


async def test_a_cancelled_call_closes_its_connection_at_once():
    begun, gone = asyncio.Event(), asyncio.Event()

    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(delta("a"))
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return response

    async with endpoint(handler) as url, provider_at(url) as provider:
        call = asyncio.ensure_future(provider.complete(ask(), lambda _: begun.set()))
        async with asyncio.timeout(60):
            await begun.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await gone.wait()


async def test_the_callers_own_timeout_stays_the_callers():
    async with (
        endpoint(streaming(delta("a"), then=asyncio.Event())) as url,
        provider_at(url) as provider,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await provider.complete(ask(), None)


async def test_a_model_that_declines_is_refused_with_its_words():
    chunk = {"choices": [{"delta": {"refusal": "I will not."}, "finish_reason": "stop"}]}
    with pytest.raises(ProviderRefused, match="I will not"):
        await complete(streaming(b"data: " + json.dumps(chunk).encode() + b"\n\n", DONE))
