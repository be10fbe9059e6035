"""The proxy on a socket of its own, in this process, in front of providers that fail as told."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

from holdfast.app.services import provider_of
from holdfast.clock import SystemClock
from holdfast.proxy.limits import RateLimit
from holdfast.proxy.routes import FACES, ProxyRoutes
from holdfast.routing.checking.checker import Checker, JudgeFor
from holdfast.routing.checking.kept import KeptEvidence
from holdfast.routing.config import ProviderConfig, RoutingConfig, Timeouts
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.reports import Logged
from holdfast.routing.quality.rules import QualityRules
from holdfast.routing.router import Router
from holdfast.routing.seam import Price
from holdfast.testing.upstream import Upstream
from holdfast.tracing.billing.money import Exchange
from holdfast.tracing.kept import Kept
from holdfast.tracing.tracer import Tracer
from holdfast.web.application import Application
from holdfast.web.guard import Guard
from holdfast.web.server import listen

PATHS = tuple(FACES)
"""Where clients ask for models, one format each."""


@dataclass
class Proxy:
    """A running proxy, and a client of it."""

    address: str
    client: aiohttp.ClientSession
    router: Router
    ledger: Ledger
    checker: Checker | None = None

    async def ask(self, path: str, body: Any, **headers: str) -> Seen:
        """Ask with a JSON value or with bytes, and read the answer to its end."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        url, data = self.address + path, io.BytesIO(sent)
        async with self.client.post(url, data=data, headers=named) as answer:
            return Seen(path, answer.status, answer.headers, await answer.read())

    async def follow(self, path: str, body: Any, begun: asyncio.Event) -> Seen:
        """Ask for a stream, set `begun` when its first token has come, and read on to its end."""
        sent = json.dumps(body).encode()
        async with self.client.post(self.address + path, data=sent) as answer:
            seen = Seen(path, answer.status, answer.headers, b"")
            async for line in answer.content:
                had = seen.text
                seen.body += line
                if not had and seen.text:
                    begun.set()
            return seen

    def forget(self) -> None:
        """Hold all circuits closed, whatever failed before."""
        board = self.router.dispatcher.board
        for place in board.circuits():
            board.force(place, "closed")

    async def settled(self, count: int) -> list[Logged]:
        """Wait until so many requests have ended, and return them."""
        while True:
            rows = await self.logged()
            if len(rows) >= count and all(row.attempts for row in rows):
                return rows

    async def logged(self) -> list[Logged]:
        """Return every request in the ledger with its attempts, the oldest first."""
        page = await self.ledger.requests(per_page=100, order="asc")
        found = [await self.ledger.request(each.id) for each in page.requests]
        return [each for each in found if each is not None]


@dataclass
class Seen:
    """What a client saw of an answer."""

    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        """A header of ours, None if it was not sent."""
        return self.headers.get(f"x-holdfast-{name}")

    @property
    def streamed(self) -> bool:
        return self.headers["Content-Type"].startswith("text/event-stream")

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of all events; the end mark of chat completions is a text."""
        found = [
            line.removeprefix("data: ")
            for line in self.body.decode().splitlines()
            if line.startswith("data: ")
        ]
        return [each if each == "[DONE]" else json.loads(each) for each in found]

    @property
    def text(self) -> str:
        """The text of the answer, as much of it as came."""
        if not self.streamed:
            return _whole_text(self.path, self.data)
        return "".join(_piece(self.path, each) for each in self.events if each != "[DONE]")

    @property
    def says_done(self) -> bool:
        """Whether a client takes it for a whole answer."""
        if not self.streamed:
            return self.status == 200
        ends = ("[DONE]", "message_stop", "response.completed")
        return any((e if e == "[DONE]" else e.get("type")) in ends for e in self.events)

    @property
    def says_error(self) -> bool:
        """Whether a client is told that it failed."""
        if not self.streamed:
            return self.status >= 400 and bool(self.data["error"]["message"])
        last = self.events[-1]
        if last == "[DONE]":
            return False
        error = last.get("error") or last.get("response", {}).get("error") or {}
        return bool(error.get("message"))


def request(path: str, *, stream: bool, **fields: Any) -> dict[str, Any]:
    """Return a request for a model in the format of a path."""
    said: dict[str, Any] = {"input": "Hi"}
    if path != "/v1/responses":
        said = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}
    return {"model": "m", "stream": stream, **said, **fields}


def provider(
    name: str,
    upstream: Upstream,
    msat: int,
    *,
    kind: str = "openai",
    patience: float = 60.0,
    idle: float | None = None,
    models: Sequence[str] = ("m",),
) -> ProviderConfig:
    """Return a provider of models at one price; `patience` are the seconds it is waited for.

    `idle` is how long it may be silent in the middle, if that is another time. Connections have a minute.
    """
    price = Price(input_msat_per_million=msat * 10**6, output_msat_per_million=msat * 10**6)
    waits = Timeouts(connect=60.0, first_byte=patience, idle=idle or patience)
    return ProviderConfig(
        name=name,
        base_url=upstream.url,
        api_key="k",
        models=dict.fromkeys(models, price),
        kind=kind,
        timeouts=waits,
    )


@asynccontextmanager
async def proxy_of(
    folder: Path,
    configs: Sequence[ProviderConfig],
    *,
    token: str | None = None,
    routing: RoutingConfig | None = None,
    money: Exchange | None = None,
    limit: RateLimit | None = None,
    judge: JudgeFor | None = None,
    judged_by: Callable[[Router], JudgeFor] | None = None,
) -> AsyncIterator[Proxy]:
    """Serve providers on a free port until the end of the block; with a judge, answers are checked."""
    clock = SystemClock()
    providers = [provider_of(each, clock, money) for each in configs]
    tracer = Tracer(clock=clock, sink=Kept())
    async with await Ledger.open(folder / "ledger.db") as ledger:
        router = Router(providers, tracer, config=routing, clock=clock, ledger=ledger)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(router.close)
            checker = None
            judge = judge if judged_by is None else judged_by(router)
            if judge is not None:
                checker = await _checker(folder, router, judge, stack)
            routes = [ProxyRoutes(router.dispatcher, limit, checker)]
            application = Application(routes, Guard(host="127.0.0.1", token=token))
            address = await stack.enter_async_context(_served(application))
            never = aiohttp.ClientTimeout(total=None)
            client = await stack.enter_async_context(aiohttp.ClientSession(timeout=never))
            yield Proxy(address, client, router, ledger, checker)


async def _checker(folder: Path, router: Router, judge: JudgeFor, stack: AsyncExitStack) -> Checker:
    dispatcher, clock = router.dispatcher, SystemClock()
    kept = await stack.enter_async_context(KeptEvidence(folder / "quality.db", clock))
    rules = dispatcher.config.quality or QualityRules()
    checker = Checker(kept, judge, dispatcher.tracer, clock=clock, rules=rules)
    dispatcher.evidence, dispatcher.overseer = kept.learned, checker
    return await stack.enter_async_context(checker)


@asynccontextmanager
async def _served(application: Application) -> AsyncIterator[str]:
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(application, lifespan="off", log_level="error", access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def _whole_text(path: str, data: Any) -> str:
    match path:
        case "/v1/messages":
            return "".join(each.get("text", "") for each in data["content"])
        case "/v1/responses":
            items = [each for each in data["output"] if each["type"] == "message"]
            return "".join(part["text"] for item in items for part in item["content"])
        case _:
            return data["choices"][0]["message"]["content"]


def _piece(path: str, event: Any) -> str:
    match path:
        case "/v1/messages":
            return event.get("delta", {}).get("text", "")
        case "/v1/responses":
            return event["delta"] if event["type"] == "response.output_text.delta" else ""
        case _:
            return "".join(c["delta"].get("content") or "" for c in event.get("choices", ()))
