"""Requests at a node by processes that are killed: what was debited is what was charged, to the msat."""

from __future__ import annotations

import asyncio
import random
import sys

import pytest

from holdfast.routing.config import Prepaid
from holdfast.routing.ecash.checking import check, look_after
from holdfast.routing.ledger.entries import Scope
from tests.routing.ecash.kit import assert_sound, fill, sats, wallet_of
from tests.routing.ecash.test_nodes import paying
from tests.servers.routstr import Node, routstr_node

pytestmark = pytest.mark.service
FILLED = 3_000


@pytest.mark.promise("wallet-adds-up")
@pytest.mark.parametrize(
    "wanted", [30, pytest.param(1_000, marks=[pytest.mark.torture, pytest.mark.timeout(850)])]
)
async def test_debits_are_charges_and_the_wallet_is_less_by_them_and_the_fees(
    tmp_path, mint, wanted
):
    chance = random.Random(wanted)
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, FILLED)
    async with routstr_node(mint.url, tmp_path, own_sats=500) as node:
        kills = 0
        while len(node.charges) < wanted:
            kills += await _spend_and_die(tmp_path, node, wanted, chance)
        assert kills
        async with paying(tmp_path, node, Prepaid(topup_sat=20, limit_sat=60)) as opened:
            _, balance, wallet, ledger = opened
            assert not (await check(wallet)).problems
            assert not (await look_after(balance)).problems
            spent = await ledger.spent(Scope("total"))
            accounts = wallet.store.accounts()
            fees = sum(msat for name, msat in accounts.items() if name.startswith("fees"))
            assert (spent.settled_msat, spent.unknown_requests) == (node.charged, 0)
            assert accounts["spent:desk"] == node.charged
            left = sats(wallet) * 1000 + accounts["node:desk"]
            assert FILLED * 1000 - left == node.charged + fees
            assert await ledger.check() == []
            await assert_sound(wallet)


async def _spend_and_die(folder, node: Node, wanted: int, chance: random.Random) -> bool:
    """Let a process spend, and kill it in the middle of something; tell whether it came to that."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.routing.ecash.spender", str(folder), node.url, node.mint,
        str(wanted), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    lived = 4 + chance.randrange(max(5, wanted // 12))
    while lived and await child.stdout.readline():
        lived -= 1
    if child.returncode is None and not lived:
        child.kill()
    await child.wait()
    return child.returncode != 0
