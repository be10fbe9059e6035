"""The faulty upstream does what it is told, and tells what became of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from anyio import fail_after

from holdfast.testing.upstream import Act, Counts, Fault, Reply, ToolUse, Upstream

CHAT, MESSAGES, OLLAMA = "/v1/chat/completions", "/v1/messages", "/api/chat"
GEMINI = "/v1beta/models/m:generateContent"
GEMINI_STREAM = "/v1beta/models/m:streamGenerateContent?alt=sse"
FORMATS = [CHAT, MESSAGES, GEMINI, OLLAMA]
STREAMS = [CHAT, MESSAGES, GEMINI_STREAM, OLLAMA]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    with fail_after(20):
        async with Upstream() as running:
            yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def ask(
    client: aiohttp.ClientSession, upstream: Upstream, path: str, *, stream: bool = False
) -> tuple[int, bytes]:
    body = {"model": "m", "stream": stream}
    async with client.post(upstream.root + path, json=body) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("path", FORMATS)
async def test_a_whole_answer_holds_the_reply_and_is_charged(
    upstream: Upstream, client: aiohttp.ClientSession, path: str
) -> None:
    status, body = await ask(client, upstream, path)
    assert status == 200
    assert "Hello there, friend." in json.dumps(json.loads(body))
    (exchange,) = upstream.exchanges
    assert exchange.charged == Counts()
    assert exchange.json["model"] == "m"
    assert exchange.ended.is_set()
    assert not exchange.left.is_set()


@pytest.mark.parametrize("path", STREAMS)
async def test_a_stream_comes_in_the_pieces_asked_for(
    upstream: Upstream, client: aiohttp.ClientSession, path: str
) -> None:
    upstream.script(Act(reply=Reply(text="abcdef", pieces=3)))
    _, body = await ask(client, upstream, path, stream=True)
    assert [body.count(piece) for piece in (b'"ab"', b'"cd"', b'"ef"')] == [1, 1, 1]


async def test_the_answer_can_lie_about_tokens_and_cost(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.script(Act(reply=Reply(told=Counts(input=999, output=1), cost=0.5)))
    _, body = await ask(client, upstream, CHAT)
    usage = json.loads(body)["usage"]
    assert (usage["prompt_tokens"], usage["cost"]) == (999, 0.5)
    assert upstream.exchanges[0].charged == Counts()


@pytest.mark.parametrize("path", FORMATS)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.RATE_LIMITED, 429), (Fault.SERVER_ERROR, 500), (Fault.UNAUTHORISED, 401),
        (Fault.UNPAID, 402),
    ],
)  # fmt: skip
async def test_an_error_status_has_a_body_of_the_format_and_charges_nothing(
    upstream: Upstream, client: aiohttp.ClientSession, path: str, fault: Fault, status: int
) -> None:
    upstream.script(Act(fault=fault))
    got, body = await ask(client, upstream, path)
    assert got == status
    assert f"scripted {status}" in str(json.loads(body)["error"])
    assert upstream.exchanges[0].charged is None


async def test_a_limited_rate_says_when_to_come_back_if_it_is_told_to(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.script(Act(fault=Fault.RATE_LIMITED, retry_after="7"), Act(fault=Fault.RATE_LIMITED))
    waits = []
    for _ in range(2):
        async with client.post(upstream.url + "/chat/completions", json={}) as answer:
            waits.append(answer.headers.get("Retry-After"))
    assert waits == ["7", None]


async def test_a_refused_connection_is_refused_until_it_is_accepted_again(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    await upstream.refuse()
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(client, upstream, CHAT)
    await upstream.accept()
    assert (await ask(client, upstream, CHAT))[0] == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_MIDDLE])
async def test_a_reset_is_seen_by_the_client(
    upstream: Upstream, client: aiohttp.ClientSession, fault: Fault, stream: bool
) -> None:
    upstream.default = Act(fault=fault)  # aiohttp tries a request again whose answer never began
    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await ask(client, upstream, CHAT, stream=stream)
    assert (upstream.exchanges[0].sent > 0) is (fault is Fault.RESET_MIDDLE)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.STALL])
async def test_what_hangs_or_stalls_goes_on_when_it_is_released(
    upstream: Upstream, client: aiohttp.ClientSession, fault: Fault, stream: bool
) -> None:
    upstream.script(Act(fault=fault))
    asking = asyncio.ensure_future(ask(client, upstream, CHAT, stream=stream))
    exchange = await upstream.exchange(1)
    await exchange.stalled.wait()
    assert (exchange.sent > 0) is (fault is Fault.STALL)
    assert not asking.done()
    exchange.release()
    _, body = await asking
    assert b"friend." in body or body.endswith(b"data: [DONE]\n\n")


async def test_a_client_that_leaves_is_noticed_at_once_and_charged_for_what_it_got(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.script(Act(fault=Fault.STALL, after=3, reply=Reply(counts=Counts(output=80))))
    asking = asyncio.ensure_future(ask(client, upstream, CHAT, stream=True))
    exchange = await upstream.exchange(1)
    await exchange.stalled.wait()
    before = asyncio.get_running_loop().time()
    asking.cancel()
    await exchange.left.wait()
    assert exchange.left_at is not None
    assert before <= exchange.left_at < before + 0.1
    assert exchange.events == 3
    assert exchange.charged == Counts(output=80 * 3 // 8)


async def test_a_paced_stream_goes_one_event_a_step(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.script(Act(paced=True, reply=Reply(text="x", pieces=1)))
    async with client.post(upstream.url + "/chat/completions", json={"stream": True}) as answer:
        exchange = await upstream.exchange(1)
        for number in range(5):
            exchange.step()
            event = await answer.content.readuntil(b"\n\n")
            assert event.startswith(b"data: ")
            assert exchange.events == number + 1


@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.parametrize(
    ("fault", "clue"), [(Fault.ERROR_IN_BODY, b"scripted error"), (Fault.MALFORMED, b'{"con\n')]
)
async def test_a_stream_breaks_where_it_is_told_to(
    upstream: Upstream, client: aiohttp.ClientSession, path: str, fault: Fault, clue: bytes
) -> None:
    upstream.script(Act(fault=fault, after=2))
    status, body = await ask(client, upstream, path, stream=True)
    assert status == 200
    assert clue in body
    if fault is Fault.ERROR_IN_BODY:
        assert upstream.exchanges[0].events == 2
        assert body.rstrip().endswith(b"}")


@pytest.mark.parametrize("path", STREAMS)
async def test_a_cut_stream_closes_in_good_order_without_its_end(
    upstream: Upstream, client: aiohttp.ClientSession, path: str
) -> None:
    upstream.script(Act(fault=Fault.CUT, after=2))
    _, body = await ask(client, upstream, path, stream=True)
    assert body
    assert not any(end in body for end in (b"[DONE]", b"message_stop", b'"done": true', b"STOP"))


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.MALFORMED, Fault.WRONG_TYPE])
async def test_a_whole_answer_can_be_no_json(
    upstream: Upstream, client: aiohttp.ClientSession, fault: Fault
) -> None:
    upstream.script(Act(fault=fault))
    status, body = await ask(client, upstream, CHAT)
    assert status == 200
    with pytest.raises(json.JSONDecodeError, match=r"Expecting|Unterminated"):
        json.loads(body)


async def test_models_and_embeddings_are_served_too(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    async with client.get(upstream.url + "/models") as answer:
        assert [each["id"] for each in (await answer.json())["data"]] == ["m"]
    async with client.post(upstream.url + "/embeddings", json={"input": ["a", "b"]}) as answer:
        assert len((await answer.json())["data"]) == 2
    async with client.get(upstream.root + "/nowhere") as answer:
        assert answer.status == 404


async def test_a_connection_is_kept_for_the_next_request(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    calls = (ToolUse(id="c1", name="add", arguments='{"a":1}'),)
    upstream.script(Act(), Act(reply=Reply(text="", calls=calls)))
    for stream in (True, False):
        await ask(client, upstream, CHAT, stream=stream)
    assert len(upstream._connections) == 1
