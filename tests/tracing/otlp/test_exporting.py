"""Spans are sent in parts, tried again when the other side is busy, and not sent twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from holdfast.errors import ProviderRefused, ProviderUnavailable, StorageError
from holdfast.testing.clock import ManualClock
from holdfast.tracing.otlp.exporting import MOST_BYTES, Progress, Sent, send_traces
from holdfast.tracing.span import Span


class Collector:
    """An endpoint that answers what it is told to, then 200, and keeps what came."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.bodies: list[bytes] = []
        self.address = ""
        self.hangs_up = 0

    async def take(self, request: web.Request) -> web.Response:
        assert request.headers["Content-Encoding"] == "gzip"
        assert request.headers["X-Key"] == "k"
        body = await request.read()  # decompressed by the server
        if self.hangs_up:
            self.hangs_up -= 1
            assert request.transport is not None
            request.transport.close()
        if self.answers:
            return self.answers.pop(0)
        self.bodies.append(body)
        return web.json_response({})

    @property
    def spans(self) -> list[str]:
        return [
            span["spanId"]
            for body in self.bodies
            for group in json.loads(body)["resourceSpans"]
            for scoped in group["scopeSpans"]
            for span in scoped["spans"]
        ]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    app = web.Application(client_max_size=100 << 20)
    app.router.add_post("/v1/traces", made.take)
    async with TestServer(app) as server:
        made.address = str(server.make_url("/v1/traces"))
        yield made


class QuickClock(ManualClock):
    """A clock on which every sleep is over at once; `slept` has their lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def spans_of(trace_id: str, count: int = 3, size: int = 10) -> list[Span]:
    return [
        Span(
            trace_id=trace_id, span_id=f"{n + 1:016x}", parent_id=None, name="n", kind="client",
            start_ns=1, duration_ns=1, attributes={"text": "x" * size},
        )
        for n in range(count)
    ]  # fmt: skip


Send = Callable[..., Awaitable[Sent]]


@pytest.fixture
def send(collector: Collector, tmp_path: Path) -> Send:
    async def act(clock: QuickClock | None = None, count: int = 3, size: int = 10) -> Sent:
        return await send_traces(
            ["a" * 32], lambda trace: spans_of(trace, count, size), collector.address,
            headers={"X-Key": "k"}, progress=Progress(tmp_path / "sent.json"),
            clock=clock or QuickClock(),
        )  # fmt: skip

    return act


async def test_what_was_sent_is_not_sent_again_and_what_is_new_is(
    collector: Collector, send: Send
) -> None:
    assert (await send()).spans == 3
    assert (await send()).spans == 0
    assert (await send(count=4)).spans == 4
    assert len(collector.spans) == 7


async def test_requests_stay_below_the_limit_and_a_span_above_it_goes_alone(
    collector: Collector, send: Send
) -> None:
    await send(count=30, size=400_000)
    assert len(collector.spans) == 30
    assert max(map(len, collector.bodies)) <= MOST_BYTES
    collector.bodies.clear()
    await send(count=2, size=MOST_BYTES)
    assert len(collector.bodies) == 2


async def test_a_busy_endpoint_is_asked_again_after_the_time_that_it_says(
    collector: Collector, send: Send
) -> None:
    clock = QuickClock()
    collector.answers = [
        web.Response(status=503),
        web.Response(status=429, headers={"Retry-After": "7"}),
    ]
    assert (await send(clock)).spans == 3
    assert clock.slept == [1.0, 7.0]


async def test_an_endpoint_that_stays_busy_leaves_everything_for_the_next_try(
    collector: Collector, send: Send
) -> None:
    collector.answers = [web.Response(status=503) for _ in range(5)]
    with pytest.raises(ProviderUnavailable, match="answers 503, 5 times"):
        await send()
    assert (await send()).spans == 3


@pytest.mark.parametrize(
    ("status", "is_tried_again"),
    [(429, True), (502, True), (503, True), (504, True), (500, False), (501, False), (408, False)],
)
async def test_only_what_the_protocol_says_is_worth_another_try(
    collector: Collector, send: Send, status: int, is_tried_again: bool
) -> None:
    clock = QuickClock()
    collector.answers = [web.Response(status=status)]
    if is_tried_again:
        assert (await send(clock)).spans == 3
        assert clock.slept == [1.0]
        return
    with pytest.raises(ProviderRefused, match=str(status)):
        await send(clock)
    assert clock.slept == []


async def test_each_pause_is_twice_as_long_and_none_is_longer_than_a_minute(
    collector: Collector, send: Send
) -> None:
    clock = QuickClock()
    busy, later = {"status": 503}, {"status": 429, "headers": {"Retry-After": "3600"}}
    collector.answers = [web.Response(**each) for each in (busy, later, busy, busy, busy)]
    with pytest.raises(ProviderUnavailable, match="5 times"):
        await send(clock)
    assert clock.slept == [1.0, 60.0, 4.0, 8.0]


async def test_an_endpoint_that_hangs_up_is_asked_again(collector: Collector, send: Send) -> None:
    clock = QuickClock()
    collector.hangs_up = 5
    with pytest.raises(ProviderUnavailable, match=r"cannot be reached.*, 5 times"):
        await send(clock)
    collector.hangs_up = 1
    assert (await send(clock)).spans == 3


async def test_a_refusal_is_not_tried_again(collector: Collector, send: Send) -> None:
    clock = QuickClock()
    collector.answers = [web.Response(status=401, text="who are you")]
    with pytest.raises(ProviderRefused, match="401 who are you"):
        await send(clock)
    assert clock.slept == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (web.Response(status=404, text="<html><h1>Not here</h1></html>"), r"404 Not Found$"),
        (web.Response(status=400, text='{"code": 3, "message": "no name"}'), r"400 no name$"),
        (web.Response(status=400, text="[1]"), r"400 Bad Request$"),
        (web.Response(status=400, text="a\r\n\x1b[31m b"), r"400 a \S+ b$"),
    ],
)
async def test_why_spans_were_refused_is_told_in_one_line_and_never_a_page(
    collector: Collector, send: Send, answer: web.Response, said: str
) -> None:
    collector.answers = [answer]
    with pytest.raises(ProviderRefused, match=said):
        await send()


async def test_spans_that_the_other_side_rejects_are_told(collector: Collector, send: Send) -> None:
    partial = {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}
    collector.answers = [web.json_response(partial)]
    sent = await send()
    assert (sent.rejected, sent.why) == (2, "too old")


async def test_what_is_rejected_of_several_requests_is_summed_up(
    collector: Collector, send: Send
) -> None:
    collector.answers = [
        web.json_response({"partialSuccess": {"rejectedSpans": count, "errorMessage": why}})
        for count, why in ((1, "too old"), (2, "too new"))
    ]
    sent = await send(count=2, size=MOST_BYTES)
    assert (sent.batches, sent.rejected, sent.why) == (2, 3, "too old")


async def test_nobody_there_is_told_after_some_tries(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await send_traces(
            ["a" * 32], spans_of, "http://127.0.0.1:9/v1/traces", headers={},
            progress=Progress(tmp_path / "p.json"), clock=QuickClock(),
        )  # fmt: skip


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_progress_is_told_with_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(StorageError, match="cannot be read"):
        Progress(tmp_path / "p.json")
