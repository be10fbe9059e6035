"""A node in the manner of Routstr, which redeems tokens at a real mint and fails as it is told.

The real one (`routstr-core`, GPL) is in no package index. This one follows its protocol as it was seen to
work: a token opens an account once and gives the same key again, a balance in msat, the most that a request
can cost must be there, charges in `usage.cost` and in headers, refunds in whole sats that are given again
when they are asked for twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from holdfast.clock import SystemClock
from holdfast.errors import HoldfastError
from holdfast.routing.ecash.wallet import Wallet

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
WINDOW = 8_192
"""The tokens out that a request without a limit may have."""


@dataclass(slots=True, kw_only=True)
class Account:
    """What the node owes to a key."""

    msat: int = 0
    reserved: int = 0
    refund: str = ""


@dataclass(kw_only=True)
class Node:
    """A running node. `lose` names paths whose next answer is lost after the work was done, `holds`
    those whose answers never come, `refuses` those that are answered with a status and nothing else.

    `takes` is a factor on what is charged by the quote, `steals` msat taken with each request and not told,
    `keeps` refuses refunds, one that `is_old` opens accounts by GET alone, `withholds` is msat of each
    token that are not credited. `sats_in` and `sats_out` are sats for a thousand tokens, which are msat
    for one.
    """

    url: str = ""
    mint: str = ""
    sats_in: float = 2
    sats_out: float = 8
    tokens: tuple[int, int] = (12, 20)
    takes: float = 1.0
    steals: int = 0
    keeps: bool = False
    is_old: bool = False
    withholds: int = 0
    tells: bool = True
    lose: set[str] = field(default_factory=set)
    holds: set[str] = field(default_factory=set)
    refuses: dict[str, int] = field(default_factory=dict)
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when an answer of `holds` waits."""
    accounts: dict[str, Account] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    charges: list[int] = field(default_factory=list)
    gate: Callable[[], Awaitable[None]] | None = None
    """Awaited in the middle of each answer, after it was charged."""
    providers: list[dict[str, object]] = field(default_factory=list)
    wallet: Wallet | None = None
    runner: web.AppRunner | None = None

    @property
    def charged(self) -> int:
        """All that requests were charged, in msat."""
        return sum(self.charges)

    async def vanish(self) -> None:
        """Be gone, with the money."""
        assert self.runner is not None
        await self.runner.cleanup()

    def application(self) -> web.Application:
        made = web.Application(middlewares=[self._middleware])
        made.add_routes(
            [
                web.get("/v1/models", self._models),
                web.get("/v1/providers/", self._providers),
                web.get("/v1/balance/create", self._create),
                web.post("/v1/balance/create", self._create),
                web.post("/v1/balance/topup", self._top_up),
                web.get("/v1/balance/info", self._info),
                web.post("/v1/balance/refund", self._refund),
                web.post("/v1/chat/completions", self._chat),
            ]
        )
        return made

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked.append(request.path)
        self.addresses.append(str(request.rel_url))
        if request.path in self.refuses:
            return web.json_response({}, status=self.refuses[request.path])
        answer = await handler(request)
        if request.path in self.holds:
            self.holding.set()
            await asyncio.Event().wait()
        if request.path in self.lose:
            self.lose.discard(request.path)
            assert request.transport is not None
            request.transport.abort()
        return answer

    async def _models(self, request: web.Request) -> web.Response:
        per_token = {
            "prompt": self.sats_in / 1000,
            "completion": self.sats_out / 1000,
            "request": 0,
        }
        model = {"id": "small", "context_length": WINDOW, "sats_pricing": per_token}
        return web.json_response({"data": [model]})

    async def _providers(self, request: web.Request) -> web.Response:
        return web.json_response({"providers": self.providers})

    async def _create(self, request: web.Request) -> web.Response:
        if request.method == "POST" and self.is_old:
            raise web.HTTPMethodNotAllowed("POST", ["GET"])
        given = request.query if self.is_old else await request.json()
        token = given["initial_balance_token"]
        key = "sk-" + hashlib.sha256(token.encode()).hexdigest()
        if key not in self.accounts:
            worth = await self._redeemed(token)
            if isinstance(worth, web.Response):
                return worth
            self.accounts[key] = Account(msat=worth)
        return web.json_response({"api_key": key, "balance": self.accounts[key].msat})

    async def _top_up(self, request: web.Request) -> web.Response:
        account = self._account(request)
        worth = await self._redeemed((await request.json())["cashu_token"])
        if isinstance(worth, web.Response):
            return worth
        account.msat += worth
        return web.json_response({"msats": worth})

    async def _redeemed(self, token: str) -> int | web.Response:
        assert self.wallet is not None
        before = self.wallet.store.account("wallet")
        try:
            await self.wallet.receive(token)
        except HoldfastError as error:
            return _refusal(400, "cashu_token_already_spent", error.message)
        return max(0, self.wallet.store.account("wallet") - before - self.withholds)

    async def _info(self, request: web.Request) -> web.Response:
        account, key = self._account(request), request.headers["Authorization"][7:]
        told = {"api_key": key, "balance": account.msat, "reserved": account.reserved}
        return web.json_response(told)

    async def _refund(self, request: web.Request) -> web.Response:
        account = self._account(request)
        if self.keeps:
            return _refusal(400, "refund_failed", "no refunds today")
        if account.msat < 1000:
            if account.refund:
                return web.json_response({"token": account.refund})
            return _refusal(400, "refund_failed", "Balance too small to refund")
        assert self.wallet is not None
        sats, account.msat = account.msat // 1000, 0
        account.refund = (await self.wallet.send(sats)).token
        return web.json_response({"token": account.refund})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        account, body = self._account(request), await request.json()
        if body["model"] != "small":
            return _refusal(400, "invalid_model", "there is no such model")
        limit = body.get("max_tokens") or WINDOW
        most = round(len(json.dumps(body)) * self.sats_in + limit * self.sats_out)
        if account.msat - account.reserved < most:
            told = f"{most} mSats required, {account.msat - account.reserved} available"
            return _refusal(402, "insufficient_balance", told)
        account.reserved += most
        cost = -(-round(self._quoted(limit) * self.takes) // 1)
        account.msat = max(0, account.msat - cost - self.steals)
        account.reserved -= most
        self.charges.append(cost)
        if self.gate is not None:
            await self.gate()
        return await self._answer(request, body, cost, min(limit, self.tokens[1]))

    def _quoted(self, limit: int) -> float:
        inward, outward = self.tokens
        return inward * self.sats_in + min(limit, outward) * self.sats_out

    async def _answer(
        self, request: web.Request, body: dict[str, object], cost: int, outward: int
    ) -> web.StreamResponse:
        usage: dict[str, object] = {"prompt_tokens": self.tokens[0], "completion_tokens": outward}
        if self.tells:
            usage["cost"] = {"total_msats": cost, "total_usd": 0.0}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": "small"}
        message = {"role": "assistant", "content": "Hello."}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            headers = {"x-routstr-cost-msats": str(cost)} if self.tells else {}
            document = {**head, "choices": [choice], "usage": usage}
            return web.json_response(document, headers=headers)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        chunk = {**head, "object": "chat.completion.chunk"}
        choice = {"index": 0, "delta": message, "finish_reason": "stop"}
        for each in ({**chunk, "choices": [choice]}, {**chunk, "choices": [], "usage": usage}):
            await stream.write(b"data: " + json.dumps(each).encode() + b"\n\n")
        await stream.write(b"data: [DONE]\n\n")
        return stream

    def _account(self, request: web.Request) -> Account:
        account = self.accounts.get(request.headers.get("Authorization", "")[7:])
        if account is None:
            raise web.HTTPUnauthorized(text='{"detail": "Invalid key"}')
        return account


@asynccontextmanager
async def routstr_node(mint: str, folder: Path, *, own_sats: int = 100) -> AsyncIterator[Node]:
    """Run a node on a free port until the end of the block; it has some money for the fees of refunds."""
    async with Wallet(folder / "node.db", mints=[mint], clock=SystemClock()) as wallet:
        if own_sats:
            await wallet.claim((await wallet.invoice(own_sats)).id)
        node = Node(mint=mint, wallet=wallet)
        node.runner = web.AppRunner(node.application(), shutdown_timeout=0.1)
        await node.runner.setup()
        site = web.TCPSite(node.runner, "127.0.0.1", 0)
        await site.start()
        port = node.runner.addresses[0][1]
        node.url = f"http://127.0.0.1:{port}/v1"
        try:
            yield node
        finally:
            await node.runner.cleanup()


def _refusal(status: int, kind: str, message: str) -> web.Response:
    error = {"error": {"message": message, "type": kind, "code": kind}}
    return web.json_response({"detail": error}, status=status)
