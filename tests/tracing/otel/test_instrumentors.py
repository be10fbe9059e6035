"""Instrumentors of others run on our provider unchanged, each with its real library."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

import pytest

from holdfast.tracing.dialects import meaning_of
from holdfast.tracing.kept import Kept
from holdfast.tracing.span import Span
from holdfast.tracing.tracer import Tracer
from tests.servers.aimock import KEY, AimockServer
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
TRACE = "a" * 32


class Answering(BaseHTTPRequestHandler):
    seen: list[str]

    def do_GET(self) -> None:
        type(self).seen.append(self.headers.get("traceparent", ""))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    """Give an address, and the traceparent lines of the requests that came there."""
    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Answering,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/path", seen
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def instrumented(module: str, name: str, **options: Any) -> Iterator[None]:
    instrumentor = getattr(import_module(module), name)()
    instrumentor.instrument(**options)
    try:
        yield
    finally:
        instrumentor.uninstrument()


def below(kept: Kept, name: str) -> list[Span]:
    """Return spans that hang below the span of this name."""
    return [span for span in kept.spans if span.parent_id == kept[name].span_id]


def check_http(kept: Kept, seen: list[str]) -> None:
    (made,) = below(kept, "ours")
    assert made.kind == "client"
    assert 200 in (
        made.attributes.get("http.status_code"),
        made.attributes.get("http.response.status_code"),
    )
    assert seen == [f"00-{TRACE}-{made.span_id}-01"]


def test_urllib(tracer: Tracer, kept: Kept, site: Any) -> None:
    with (
        instrumented("opentelemetry.instrumentation.urllib", "URLLibInstrumentor"),
        tracer.span("ours", trace_id=TRACE),
        urllib.request.urlopen(site[0], timeout=5) as answer,
    ):
        answer.read()
    check_http(kept, site[1])


def test_urllib3(tracer: Tracer, kept: Kept, site: Any) -> None:
    import urllib3

    with (
        instrumented("opentelemetry.instrumentation.urllib3", "URLLib3Instrumentor"),
        tracer.span("ours", trace_id=TRACE),
        urllib3.PoolManager() as pool,
    ):
        pool.request("GET", site[0])
    check_http(kept, site[1])


def test_requests(tracer: Tracer, kept: Kept, site: Any) -> None:
    import requests

    with (
        instrumented("opentelemetry.instrumentation.requests", "RequestsInstrumentor"),
        tracer.span("ours", trace_id=TRACE),
        requests.Session() as session,
    ):
        session.get(site[0], timeout=5)
    check_http(kept, site[1])


def test_httpx(tracer: Tracer, kept: Kept, site: Any) -> None:
    import httpx

    with (
        instrumented("opentelemetry.instrumentation.httpx", "HTTPXClientInstrumentor"),
        tracer.span("ours", trace_id=TRACE),
        httpx.Client() as client,
    ):
        client.get(site[0])
    check_http(kept, site[1])


async def test_aiohttp_client(tracer: Tracer, kept: Kept, site: Any) -> None:
    import aiohttp

    with (
        instrumented("opentelemetry.instrumentation.aiohttp_client", "AioHttpClientInstrumentor"),
        tracer.span("ours", trace_id=TRACE),
    ):
        async with aiohttp.ClientSession() as session, session.get(site[0]) as answer:
            await answer.read()
    check_http(kept, site[1])


def test_sqlite3(tracer: Tracer, kept: Kept) -> None:
    with (
        instrumented("opentelemetry.instrumentation.sqlite3", "SQLite3Instrumentor"),
        tracer.span("ours", trace_id=TRACE),
    ):
        connection = sqlite3.connect(":memory:")
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        connection.close()
    (made,) = below(kept, "ours")
    assert made.attributes.get("db.statement", made.attributes.get("db.query.text")) == "SELECT 1"


def test_sqlalchemy(tracer: Tracer, kept: Kept) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine("sqlite://")
    with (
        instrumented(
            "opentelemetry.instrumentation.sqlalchemy", "SQLAlchemyInstrumentor", engine=engine
        ),
        tracer.span("ours", trace_id=TRACE),
        engine.connect() as connection,
    ):
        connection.execute(sqlalchemy.text("SELECT 2"))
    engine.dispose()
    assert any("SELECT" in span.name for span in below(kept, "ours"))


def test_jinja2(tracer: Tracer, kept: Kept) -> None:
    import jinja2

    with (
        instrumented("opentelemetry.instrumentation.jinja2", "Jinja2Instrumentor"),
        tracer.span("ours", trace_id=TRACE),
    ):
        jinja2.Environment(autoescape=True).from_string("hi {{ name }}").render(name="ada")
    assert {span.name for span in below(kept, "ours")} >= {"jinja2.render"}


def test_threading(tracer: Tracer, kept: Kept) -> None:
    def work() -> None:
        with tracer.span("inside"):
            pass

    with (
        instrumented("opentelemetry.instrumentation.threading", "ThreadingInstrumentor"),
        tracer.span("ours", trace_id=TRACE),
    ):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()
    assert len(below(kept, "ours")) == 2


async def test_asyncio(tracer: Tracer, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hello() -> None:
        await asyncio.sleep(0)

    monkeypatch.setenv("OTEL_PYTHON_ASYNCIO_COROUTINE_NAMES_TO_TRACE", "hello")
    with (
        instrumented("opentelemetry.instrumentation.asyncio", "AsyncioInstrumentor"),
        tracer.span("ours", trace_id=TRACE),
    ):
        await asyncio.gather(hello())
    assert [span.name for span in below(kept, "ours")] == ["asyncio coro-hello"]


async def test_fastapi_continues_the_trace_of_its_caller(tracer: Tracer, kept: Kept) -> None:
    import httpx
    from fastapi import FastAPI
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    app = FastAPI()

    @app.get("/hello")
    async def hello() -> str:
        with tracer.span("inside"):
            return "hi"

    FastAPIInstrumentor.instrument_app(app)
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://t"
        ) as client:
            line = f"00-{TRACE}-{'b' * 16}-01"
            assert (await client.get("/hello", headers={"traceparent": line})).status_code == 200
    finally:
        FastAPIInstrumentor.uninstrument_app(app)
    (server,) = [span for span in kept.spans if span.kind == "server"]
    assert (server.trace_id, server.parent_id) == (TRACE, "b" * 16)
    assert kept["inside"].parent_id == server.span_id


async def test_asgi(tracer: Tracer, kept: Kept) -> None:
    import httpx
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with tracer.span("inside"):
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    wrapped = OpenTelemetryMiddleware(app)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(wrapped), base_url="http://t"
    ) as client:
        await client.get("/x")
    (server,) = [span for span in kept.spans if span.kind == "server"]
    assert kept["inside"].parent_id == server.span_id


@pytest.mark.service
async def test_redis(tracer: Tracer, kept: Kept, redis7: RedisServer) -> None:
    import redis.asyncio

    with (
        instrumented("opentelemetry.instrumentation.redis", "RedisInstrumentor"),
        tracer.span("ours", trace_id=TRACE),
    ):
        client = redis.asyncio.from_url(redis7.url().partition("?")[0])
        await client.get("x")
        await client.aclose()
    assert "GET" in {span.name for span in below(kept, "ours")}


@pytest.mark.service
async def test_asyncpg(tracer: Tracer, kept: Kept, postgres16: PostgresServer) -> None:
    import asyncpg

    with (
        instrumented("opentelemetry.instrumentation.asyncpg", "AsyncPGInstrumentor"),
        tracer.span("ours", trace_id=TRACE),
    ):
        connection = await asyncpg.connect(postgres16.url())
        assert await connection.fetchval("SELECT 3") == 3
        await connection.close()
    made = [span for span in below(kept, "ours") if "SELECT" in span.name]
    assert len(made) == 1


def answering(aimock: AimockServer) -> Any:
    """Return a client of OpenAI on a server that answers "well done" to "judge"."""
    import openai

    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    aimock.answer(
        {"match": {"userMessage": "judge"}, "response": {"content": "well done", "usage": usage}}
    )
    return openai.OpenAI(base_url=aimock.url, api_key=KEY, max_retries=0)


def ask(client: Any, **options: Any) -> Any:
    said = [{"role": "user", "content": "judge"}]
    return client.chat.completions.create(model="mock-model", messages=said, **options)


@pytest.mark.service
@pytest.mark.parametrize("stream", [False, True])
def test_openai_by_openinference(
    tracer: Tracer, kept: Kept, aimock: AimockServer, stream: bool
) -> None:
    with (
        instrumented("openinference.instrumentation.openai", "OpenAIInstrumentor"),
        answering(aimock) as client,
        tracer.span("ours", trace_id=TRACE),
    ):
        answer = ask(client, stream=stream)
        if stream:
            assert (
                "".join(each.choices[0].delta.content or "" for each in answer if each.choices)
                == "well done"
            )
    (made,) = below(kept, "ours")
    meaning = meaning_of(made)
    assert (meaning.role, made.status) == ("model", "ok")
    assert meaning.model is not None
    assert meaning.model.model.startswith("mock-model")
    if not stream:
        assert (meaning.model.usage.input, meaning.model.usage.output) == (10, 5)


@pytest.mark.service
async def test_spans_in_nodes_of_langgraph_hang_below_their_nodes(
    tracer: Tracer, kept: Kept, aimock: AimockServer
) -> None:
    from langgraph.graph import END, START, StateGraph

    def plain(state: dict[str, Any]) -> dict[str, Any]:
        with tracer.span("in sync node"):
            return {"a": 1}

    async def waiting(state: dict[str, Any]) -> dict[str, Any]:
        with tracer.span("in async node"):
            await asyncio.sleep(0)
        return {"b": 2}

    def asking(state: dict[str, Any]) -> dict[str, Any]:
        ask(client)
        return {"c": 3}

    graph = StateGraph(dict)
    for name, node in (("plain", plain), ("waiting", waiting), ("asking", asking)):
        graph.add_node(name, node)
    graph.add_edge(START, "plain")
    graph.add_edge("plain", "waiting")
    graph.add_edge("waiting", "asking")
    graph.add_edge("asking", END)
    with (
        instrumented("openinference.instrumentation.langchain", "LangChainInstrumentor"),
        instrumented("openinference.instrumentation.openai", "OpenAIInstrumentor"),
        answering(aimock) as client,
        tracer.span("ours", trace_id=TRACE),
    ):
        await graph.compile().ainvoke({})
    assert {span.trace_id for span in kept.spans} == {TRACE}
    assert kept["in sync node"].parent_id == kept["plain"].span_id
    assert kept["in async node"].parent_id == kept["waiting"].span_id
    (call,) = [span for span in kept.spans if meaning_of(span).role == "model"]
    assert call.parent_id == kept["asking"].span_id
