"""A wallet whose process dies: nothing is lost and nothing is spent twice, whenever it was."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from holdfast.routing.ecash.checking import check
from holdfast.routing.ecash.records import Phase, State
from holdfast.routing.ecash.wallet import Wallet
from tests.routing.ecash.kit import DyingWeb, Killed, assert_sound, fill, in_sats, sats, wallet_of

pytestmark = pytest.mark.service


async def outside(wallet: Wallet) -> int:
    """Return what was put into the wallet less what was handed over, in sats."""
    return -in_sats(wallet.store.accounts()).get("outside", 0)


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_claim_that_died_is_finished(tmp_path, mint, arrives):
    async with wallet_of(tmp_path, mint.url, web=DyingWeb(0, arrives=arrives)) as wallet:
        asked = await wallet.invoice(64)
        with pytest.raises(Killed):
            await wallet.claim(asked.id)
    async with wallet_of(tmp_path, mint.url) as wallet:
        assert (await check(wallet)).problems == []
        assert sats(wallet) == 64
        await assert_sound(wallet)


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_receipt_that_died_is_finished(tmp_path, mint, arrives):
    async with wallet_of(tmp_path, mint.url, name="ann") as ann:
        await fill(ann, 64)
        token = (await ann.send(64)).token
    async with wallet_of(tmp_path, mint.url, web=DyingWeb(0, arrives=arrives)) as wallet:
        with pytest.raises(Killed):
            await wallet.receive(token)
    async with wallet_of(tmp_path, mint.url) as wallet:
        await check(wallet)
        assert sats(wallet) == 63
        await assert_sound(wallet)


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_payment_that_died_is_there_to_be_handed_over_or_taken_back(
    tmp_path, mint, arrives
):
    async with wallet_of(tmp_path, mint.url, web=DyingWeb(1, arrives=arrives)) as wallet:
        await fill(wallet, 64)
        with pytest.raises(Killed):
            await wallet.send(10)
    async with wallet_of(tmp_path, mint.url) as wallet:
        await check(wallet)
        sent = wallet.store.newest_operations(1)[0]
        assert sent.phase is Phase.GIVEN
        assert sent.token.startswith("cashuB")
        await wallet.take_back(sent.id)
        assert sats(wallet) == 62
        await assert_sound(wallet)


@pytest.mark.parametrize("arrives", [False, True])
async def test_taking_back_that_died_is_finished(tmp_path, mint, arrives):
    async with wallet_of(tmp_path, mint.url, web=DyingWeb(2, arrives=arrives)) as wallet:
        await fill(wallet, 64)
        sent = await wallet.send(10)
        with pytest.raises(Killed):
            await wallet.take_back(sent.id)
    async with wallet_of(tmp_path, mint.url) as wallet:
        await check(wallet)
        assert wallet.operation(sent.id).phase is Phase.TAKEN_BACK
        assert sats(wallet) == 62
        await assert_sound(wallet)


async def test_the_next_payment_finishes_what_was_left_behind(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url, web=DyingWeb(1, arrives=True)) as wallet:
        await fill(wallet, 64)
        with pytest.raises(Killed):
            await wallet.send(10)
        assert sats(wallet) == 0  # the one coin is held
    async with wallet_of(tmp_path, mint.url) as wallet:
        await wallet.send(10)
        assert await outside(wallet) == 44


async def test_what_a_mint_signed_for_a_payment_that_was_given_up_comes_back(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url, web=DyingWeb(1, arrives=True)) as wallet:
        await fill(wallet, 64)
        with pytest.raises(Killed):
            await wallet.send(10)
        (operation,) = [e for e in wallet.store.open_operations() if e.kind == "send"]
        with wallet.store.change() as change:  # as if the answer had been a refusal
            change.move_coins(operation.id, State.HELD, State.OURS)
            change.advance(operation.id, Phase.FAILED)
    async with wallet_of(tmp_path, mint.url) as wallet:
        told = " ".join((await check(wallet)).done)
        assert "which had failed, are back" in told
        assert sats(wallet) == 63
        assert in_sats(wallet.store.accounts()) == {"lost": 1, "outside": -64, "wallet": 63}
        await assert_sound(wallet)


CHILD = """
import asyncio, sys
from pathlib import Path
from holdfast.clock import SystemClock
from holdfast.routing.ecash.wallet import Wallet

async def main(path, mint):
    async with Wallet(Path(path), mints=[mint], clock=SystemClock()) as wallet:
        print("ready", flush=True)
        while True:
            sent = await wallet.send(7)
            print("sent", flush=True)
            await wallet.take_back(sent.id)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.promise("wallet-adds-up")
async def test_processes_killed_at_any_moment_lose_nothing(tmp_path: Path, mint):
    chance = random.Random(7)
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 500)
    for _ in range(5):
        command = [sys.executable, "-c", CHILD, str(tmp_path / "wallet.db"), mint.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: ASYNC220
            assert child.stdout is not None
            for _ in range(2 + chance.randrange(4)):
                child.stdout.readline()
            try:
                child.wait(chance.random() * 0.05)  # in the middle of something
            except subprocess.TimeoutExpired:
                child.kill()
    async with wallet_of(tmp_path, mint.url) as wallet:
        with anyio.fail_after(60):
            # The mint may still be at what a process asked that is dead.
            while (await check(wallet)).problems:  # noqa: ASYNC110 - it tells nobody when it is done
                await anyio.sleep(0.05)
        for each in wallet.store.open_operations():
            await wallet.take_back(each.id)
        accounts = in_sats(wallet.store.accounts())
        assert accounts["wallet"] == 500 - accounts["fees"]
        assert -accounts["outside"] == 500
        assert accounts.get("lost", 0) == 0
        await assert_sound(wallet)
