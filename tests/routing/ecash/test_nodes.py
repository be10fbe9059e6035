"""Paying a node from the wallet: real money at a real mint, and a node that fails as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.errors import NodeFailed, NotEnough, ProviderError, UsageError
from holdfast.routing.config import Prepaid, ProviderConfig
from holdfast.routing.ecash.checking import check, look_after
from holdfast.routing.ecash.prepaying import Prepaying
from holdfast.routing.ecash.provider import PaidProvider
from holdfast.routing.ecash.purse import Purse
from holdfast.routing.ecash.wallet import Wallet
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.router import Router
from holdfast.routing.seam import Message, ModelRequest, Price
from holdfast.tracing.tracer import Tracer
from tests.routing.ecash.kit import DyingWeb, Killed, assert_sound, fill, in_sats, sats, wallet_of
from tests.servers.routstr import Node, routstr_node

pytestmark = pytest.mark.service
PRICE = Price(input_msat_per_million=2_000_000, output_msat_per_million=8_000_000)


def request(max_tokens: int | None = 100) -> ModelRequest:
    return ModelRequest(
        model="small", messages=(Message(role="user", content="Why?"),), max_tokens=max_tokens
    )


def config_of(node: Node, prepaid: Prepaid) -> ProviderConfig:
    return ProviderConfig(
        name="desk", base_url=node.url, kind="routstr", models={"small": PRICE}, prepaid=prepaid
    )


def provider_of(config: ProviderConfig, balance: Prepaying) -> PaidProvider:
    assert config.prepaid is not None
    purse = Purse("desk", config.prepaid, lambda: balance)
    return PaidProvider(config, purse, clock=SystemClock())


@asynccontextmanager
async def paying(
    folder: Path, node: Node, prepaid: Prepaid | None = None
) -> AsyncIterator[tuple[Router, Prepaying, Wallet, Ledger]]:
    """Open a router over a node, with the ledger and the wallet of a project."""
    config = config_of(node, prepaid or Prepaid(topup_sat=50, limit_sat=200))
    async with await Ledger.open(folder / "ledger.db") as ledger:
        wallet = Wallet(folder / "wallet.db", mints=[node.mint], clock=SystemClock())
        balance = Prepaying(wallet, "desk", node.url, config.prepaid or Prepaid(), book=ledger)
        tracer = Tracer(clock=SystemClock())
        router = Router([provider_of(config, balance)], tracer, ledger=ledger)
        try:
            yield router, balance, wallet, ledger
        finally:
            await router.close()
            await wallet.close()


@dataclass(frozen=True, slots=True)
class Desk:
    """A node, and all that a project has to pay it."""

    node: Node
    router: Router
    balance: Prepaying
    wallet: Wallet
    ledger: Ledger


@asynccontextmanager
async def desk(folder: Path, mint: str, prepaid: Prepaid | None = None) -> AsyncIterator[Desk]:
    """Run a node and open what pays it."""
    async with (
        routstr_node(mint, folder) as node,
        paying(folder, node, prepaid) as (router, balance, wallet, ledger),
    ):
        yield Desk(node, router, balance, wallet, ledger)


async def test_a_request_pays_itself_and_everything_adds_up(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        reply = await at.router.complete(request())
        assert (reply.text, reply.cost_msat) == ("Hello.", 12 * 2 + 20 * 8)
        await at.router.complete(request(), on_text=print)
        await at.balance.look()
        accounts = at.wallet.store.accounts()
        assert accounts["spent:desk"] == at.node.charged == 2 * 184
        assert (await at.ledger.charges_of("desk")).charged_msat == at.node.charged
        assert sum(accounts.values()) == 0
        assert at.node.asked.count("/v1/balance/create") == 1
        assert "/v1/balance/topup" not in at.node.asked
        await assert_sound(at.wallet)


async def test_what_is_left_comes_back_and_the_next_request_opens_a_new_balance(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await at.router.complete(request())
        await at.balance.refund()
        accounts = at.wallet.store.accounts()
        assert "node:desk" not in {name for name, msat in accounts.items() if msat}
        assert accounts["wallet"] // 1000 == sats(at.wallet) > 980
        assert at.balance.key == ""
        with pytest.raises(UsageError, match="no balance at node"):
            await at.balance.refund()
        await assert_sound(at.wallet)
        at.node.asked.clear()
        await at.router.complete(request())
        assert "/v1/balance/create" in at.node.asked
        assert at.balance.key
        await assert_sound(at.wallet)


async def test_a_balance_that_does_not_cover_a_request_is_topped_up_before_it(tmp_path, mint):
    async with desk(tmp_path, mint.url, Prepaid(topup_sat=5, limit_sat=500)) as at:
        await fill(at.wallet, 1000)
        await at.router.complete(request(100))
        await at.router.complete(request(10_000))  # needs 80 sat at most
        assert "/v1/balance/topup" in at.node.asked
        assert at.node.asked.count("/v1/chat/completions") == 2
        await assert_sound(at.wallet)


async def test_a_node_that_wants_more_than_it_should_is_topped_up_and_asked_again(tmp_path, mint):
    async with desk(tmp_path, mint.url, Prepaid(topup_sat=20, limit_sat=100)) as at:
        await fill(at.wallet, 1000)
        at.node.sats_out = 300  # for its own idea of the most, not for what it charges
        await at.router.complete(request(100))
        assert at.node.asked.count("/v1/chat/completions") > 1
        assert len(at.node.charges) == 1


async def test_a_request_that_the_limit_does_not_pay_for_is_refused(tmp_path, mint):
    async with desk(tmp_path, mint.url, Prepaid(topup_sat=20, limit_sat=30)) as at:
        await fill(at.wallet, 1000)
        with pytest.raises(ProviderError, match="wants more for this request") as refused:
            await at.router.complete(request(10_000))
        assert refused.value.fault == "payment"
        assert "max_tokens" in refused.value.hint
        assert sats(at.wallet) >= 1000 - 30 - 2
        assert at.node.charges == []


async def test_an_empty_wallet_is_said_so(tmp_path, mint):
    async with routstr_node(mint.url, tmp_path) as node, paying(tmp_path, node) as (router, *_):
        with pytest.raises(ProviderError, match="the wallet holds 0 sat") as refused:
            await router.complete(request())
        assert refused.value.fault == "payment"
        assert "/v1/chat/completions" not in node.asked


async def test_many_requests_at_once_share_one_top_up(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await asyncio.gather(*(at.router.complete(request(10)) for _ in range(40)))
        await at.balance.look()
        assert at.node.asked.count("/v1/balance/create") == 1
        assert at.wallet.store.accounts()["spent:desk"] == at.node.charged
        assert (await at.ledger.charges_of("desk")).charged_msat == at.node.charged


@pytest.mark.promise("node-limit-holds")
async def test_a_node_that_vanishes_takes_no_more_than_the_limit(tmp_path, mint):
    async with desk(tmp_path, mint.url, Prepaid(topup_sat=50, limit_sat=60)) as at:
        await fill(at.wallet, 1000)
        await at.router.complete(request())
        await at.node.vanish()
        for _ in range(3):
            with pytest.raises(ProviderError):
                await at.router.complete(request(7_000))
        with pytest.raises(NodeFailed, match="cannot be reached"):
            await at.balance.refund()
        fees = sum(m for n, m in at.wallet.store.accounts().items() if n.startswith("fees"))
        assert 1000 - sats(at.wallet) - fees // 1000 <= 60
        await assert_sound(at.wallet)


async def test_what_was_on_its_way_to_a_node_that_vanished_comes_back(tmp_path, mint):
    async with routstr_node(mint.url, tmp_path) as node:
        await node.vanish()
        async with paying(tmp_path, node) as (_, balance, wallet, _):
            await fill(wallet, 1000)
            with pytest.raises(NodeFailed, match="cannot be reached"):
                await balance.top_up(50)
            assert sats(wallet) < 960
            with pytest.raises(UsageError, match="no balance at node"):
                await balance.refund()
            assert sats(wallet) >= 1000 - 4
            assert in_sats(wallet.store.accounts()).get("transit:desk", 0) == 0
            await assert_sound(wallet)


@pytest.mark.promise("node-limit-holds")
async def test_a_node_that_takes_more_than_it_charges_is_not_filled_beyond_its_limit(
    tmp_path, mint
):
    async with desk(tmp_path, mint.url, Prepaid(topup_sat=20, limit_sat=100)) as at:
        await fill(at.wallet, 1000)
        at.node.steals = 18_000
        with pytest.raises(ProviderError, match="taken and not charged for"):
            await _ask(at.router, 20)
        assert 1000 - sats(at.wallet) <= 100 + 30  # the fees of the mint come on top
        looked = await look_after(at.balance)
        assert "more than it charged for" in looked.problems[0]


async def test_a_node_that_keeps_the_money_is_named(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 100)
        await at.balance.top_up(50)
        at.node.keeps = True
        with pytest.raises(NodeFailed, match="no refunds today"):
            await at.balance.refund()
        assert at.wallet.store.newest_operations(1)[0].phase == "failed"
        at.node.keeps = False
        await at.balance.refund()
        assert sats(at.wallet) > 90
        await assert_sound(at.wallet)


async def test_a_token_of_a_mint_that_a_node_refuses_comes_back(tmp_path, mint, unpaid_mint):
    async with routstr_node(unpaid_mint.url, tmp_path, own_sats=0) as node:
        node.mint = mint.url
        async with paying(tmp_path, node) as (_, balance, wallet, _):
            await fill(wallet, 100)
            with pytest.raises(NodeFailed, match="HTTP 400"):
                await balance.top_up(50)
            assert sats(wallet) >= 96
            await assert_sound(wallet)


async def test_a_top_up_beyond_the_limit_is_refused(tmp_path, mint):
    async with desk(tmp_path, mint.url, Prepaid(topup_sat=20, limit_sat=100)) as at:
        await fill(at.wallet, 1000)
        with pytest.raises(UsageError, match="may have 100 sat at most: it has 0 sat"):
            await at.balance.top_up(101)
        with pytest.raises(NotEnough):
            await Prepaying(at.wallet, "rich", at.node.url, Prepaid(limit_sat=10**6)).top_up(5_000)


@pytest.mark.parametrize("path", ["create", "topup", "refund"])
async def test_an_answer_of_a_node_that_is_lost_loses_no_money(tmp_path, mint, path):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        if path != "create":
            await at.balance.top_up(50)
        at.node.lose = {f"/v1/balance/{path}"}
        with pytest.raises(NodeFailed) if path == "refund" else nullcontext():
            await (at.balance.refund() if path == "refund" else at.balance.top_up(30))
        looked = await look_after(at.balance)
        assert not looked.problems
        if path != "refund":
            await at.balance.refund()
        assert sats(at.wallet) >= 1000 - 12
        assert at.wallet.store.accounts().get("spent:desk", 0) == 0
        await assert_sound(at.wallet)


@pytest.mark.promise("wallet-adds-up")
@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("arrives", [False, True])
async def test_a_process_that_dies_between_wallet_and_node_loses_no_money(
    tmp_path, mint, at, arrives
):
    prepaid = Prepaid(topup_sat=50, limit_sat=200)
    async with routstr_node(mint.url, tmp_path) as node:
        async with wallet_of(tmp_path, mint.url) as wallet:
            await fill(wallet, 500)
        async with wallet_of(tmp_path, mint.url, web=DyingWeb(at, arrives=arrives)) as wallet:
            balance = Prepaying(wallet, "desk", node.url, prepaid)
            with pytest.raises(Killed):
                await _use(balance)
        async with wallet_of(tmp_path, mint.url) as wallet:
            balance = Prepaying(wallet, "desk", node.url, prepaid)
            assert not (await check(wallet)).problems
            assert not (await look_after(balance)).problems
            if balance.key and wallet.store.account("node:desk") >= 1000:
                await balance.refund()
            accounts = wallet.store.accounts()
            lost = sum(
                msat for name, msat in accounts.items() if name.startswith(("lost", "spent"))
            )
            assert lost == 0
            assert sats(wallet) >= 500 - 14
            await assert_sound(wallet)


async def _use(balance: Prepaying) -> None:
    await balance.top_up(50)
    await balance.top_up(30)
    await balance.refund()
    await balance.top_up(20)


async def _ask(router: Router, times: int) -> None:
    for _ in range(times):
        await router.complete(request(10))
