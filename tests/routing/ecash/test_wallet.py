"""The wallet at a mint that others wrote."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from holdfast.errors import (
    MintRefused,
    MintUnavailable,
    NotEnough,
    StorageCorrupt,
    TokenInvalid,
    UsageError,
)
from holdfast.routing.ecash.checking import check
from holdfast.routing.ecash.records import FoundNode, State
from holdfast.routing.ecash.tokens import Token, read_token, write_token
from tests.routing.ecash.kit import assert_sound, fill, in_sats, sats, wallet_of
from tests.servers.process import free_port

pytestmark = pytest.mark.service
NOBODY = "https://mint.example"


async def test_an_invoice_that_is_paid_becomes_coins(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        asked = await wallet.invoice(1000)
        assert asked.invoice.startswith("lnbc")
        assert (await wallet.claim(asked.id)).phase == "done"
        assert (await wallet.claim(asked.id)).phase == "done"  # and only once
        assert in_sats(wallet.store.accounts()) == {"outside": -1000, "wallet": 1000}
        await assert_sound(wallet)


async def test_a_token_moves_from_one_wallet_to_another_and_the_mint_takes_its_fee(tmp_path, mint):
    async with (
        wallet_of(tmp_path, mint.url, name="ann") as ann,
        wallet_of(tmp_path, mint.url, name="bob") as bob,
    ):
        await fill(ann, 1000)
        sent = await ann.send(400)
        received = await bob.receive(sent.token)
        assert (sent.phase, received.phase) == ("given", "done")
        assert in_sats(ann.store.accounts()) == {"fees": 1, "outside": -600, "wallet": 599}
        assert in_sats(bob.store.accounts()) == {"fees": 1, "outside": -400, "wallet": 399}
        assert "taken by its receiver" in (await check(ann)).done[0]
        await assert_sound(ann)
        await assert_sound(bob)


async def test_a_token_is_taken_once(tmp_path, mint):
    async with (
        wallet_of(tmp_path, mint.url, name="ann") as ann,
        wallet_of(tmp_path, mint.url, name="bob") as bob,
        wallet_of(tmp_path, mint.url, name="eve") as eve,
    ):
        await fill(ann, 100)
        sent = await ann.send(50)
        await bob.receive(sent.token)
        with pytest.raises(UsageError, match="spent already"):
            await bob.receive(sent.token)
        with pytest.raises(MintRefused, match="spent already"):
            await eve.receive(sent.token)
        with pytest.raises(MintRefused, match="spent already"):
            await ann.take_back(sent.id)
        assert (sats(bob), sats(eve)) == (49, 0)
        for each in (ann, bob, eve):
            await assert_sound(each)


async def test_a_token_that_nobody_took_can_be_taken_back(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 100)
        sent = await wallet.send(50)
        await wallet.take_back(sent.id)
        assert wallet.operation(sent.id).phase == "taken back"
        assert in_sats(wallet.store.accounts()) == {"fees": 2, "outside": -100, "wallet": 98}
        with pytest.raises(UsageError, match="no token that could be taken back"):
            await wallet.take_back(sent.id)


async def test_with_the_fee_of_the_receiver_all_that_was_asked_for_is_left(tmp_path, mint):
    async with (
        wallet_of(tmp_path, mint.url, name="ann") as ann,
        wallet_of(tmp_path, mint.url, name="bob") as bob,
    ):
        await fill(ann, 1000)
        await bob.receive((await ann.send(333, receiver_fee=True)).token)
        assert sats(bob) == 333


async def test_coins_that_fit_are_handed_over_without_a_fee(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 7)
        await wallet.send(5)
        assert in_sats(wallet.store.accounts()) == {"outside": -2, "wallet": 2}


async def test_more_than_there_is_cannot_be_sent(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 10)
        with pytest.raises(NotEnough, match="holds 10 sat at this mint, 11 sat are asked for"):
            await wallet.send(11)
        with pytest.raises(NotEnough, match="with the mint's fee"):
            await wallet.send(10, receiver_fee=True)
        assert sats(wallet) == 10


async def test_a_sat_alone_is_worth_no_more_than_the_fee_for_taking_it(tmp_path, mint):
    async with (
        wallet_of(tmp_path, mint.url, name="ann") as ann,
        wallet_of(tmp_path, mint.url, name="bob") as bob,
    ):
        await fill(ann, 3)
        sent = await ann.send(1)
        with pytest.raises(NotEnough, match="as much for swapping"):
            await bob.receive(sent.token)


async def test_only_mints_that_the_project_trusts_are_taken_from(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url, name="ann") as ann:
        await fill(ann, 10)
        token = (await ann.send(2)).token
    async with wallet_of(tmp_path, "https://other.example", name="bob") as bob:
        with pytest.raises(UsageError, match="does not know the mint") as told:
            await bob.receive(token)
        assert "mints = " in told.value.hint


async def test_other_money_than_sats_is_refused(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 10)
        token = read_token((await wallet.send(2)).token)
        euros = Token(mint=token.mint, coins=token.coins, unit="eur")
        with pytest.raises(TokenInvalid, match="sats only"):
            await wallet.receive(write_token(euros))


async def test_a_forged_coin_is_refused_and_leaves_nothing_behind(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 64)
        token = read_token((await wallet.send(64)).token)
        (coin,) = token.coins
        forged = type(coin)(
            keyset=coin.keyset, amount=64, secret="made up", signature=coin.signature
        )
        with pytest.raises(MintRefused):
            await wallet.receive(write_token(Token(mint=token.mint, coins=(forged,))))
        assert wallet.store.coin_state("made up") is None
        assert sats(wallet) == 0
        await assert_sound(wallet)


async def test_a_mint_that_does_not_answer_is_said_so(tmp_path):
    async with wallet_of(tmp_path, f"http://127.0.0.1:{free_port()}") as wallet:
        with pytest.raises(MintUnavailable, match="cannot be reached"):
            await wallet.invoice(10)


async def test_the_file_is_for_its_owner_only(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 10)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "wallet.db-wal" in modes


async def test_a_wallet_sees_the_file_that_another_one_made(tmp_path):
    async with wallet_of(tmp_path, NOBODY) as looking, wallet_of(tmp_path, NOBODY) as working:
        assert looking.store.found() == []
        assert list(tmp_path.iterdir()) == []
        with working.store.change() as change:
            change.write_found(FoundNode(url="https://n", name="n", mints=()))
        assert [each.name for each in looking.store.found()] == ["n"]
        with looking.store.change() as change:
            change.write_found(FoundNode(url="https://m", name="m", mints=()))
        assert len(working.store.found()) == 2


async def test_a_file_of_another_program_is_left_alone(tmp_path):
    (tmp_path / "wallet.db").write_bytes(b"a shopping list" * 100)
    with pytest.raises(StorageCorrupt):
        async with wallet_of(tmp_path, "https://mint.example"):
            pass
    assert (tmp_path / "wallet.db").read_bytes() == b"a shopping list" * 100


async def test_coins_that_were_spent_elsewhere_are_written_off(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url, name="ann") as ann:
        await fill(ann, 64)
        (coin,) = ann.store.coins(mint.url, State.OURS)
        async with wallet_of(tmp_path, mint.url, name="copy") as copy:
            await copy.receive(write_token(Token(mint=mint.url, coins=(coin,))))
        assert "64 sat are gone" in (await check(ann)).done[0]
        assert in_sats(ann.store.accounts()) == {"lost": 64, "outside": -64}
        await assert_sound(ann)


async def test_coins_spent_elsewhere_stop_a_payment_and_the_rest_is_kept(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url, name="ann") as ann:
        await fill(ann, 96)
        large, small = ann.store.coins(mint.url, State.OURS)
        async with wallet_of(tmp_path, mint.url, name="copy") as copy:
            await copy.receive(write_token(Token(mint=mint.url, coins=(large,))))
        with pytest.raises(MintRefused):
            await ann.send(80)
        assert (small.amount, sats(ann)) == (32, 32)
        assert in_sats(ann.store.accounts()) == {"lost": 64, "outside": -96, "wallet": 32}
        await assert_sound(ann)


async def test_wallets_of_others_take_our_tokens_and_we_theirs(tmp_path, mint):
    """The wallet is that of the mint's own package, which we did not write either."""
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 300)
        assert "Received 199 sat" in _others(mint, "receive", (await wallet.send(200)).token)
        answer = _others(mint, "send", "100")
        token = next(word for word in answer.split() if word.startswith("cashu"))
        await wallet.receive(token)
        assert 190 <= sats(wallet) <= 199


def _others(mint, *words: str) -> str:
    command, environ = mint.wallet(*words)
    done = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
