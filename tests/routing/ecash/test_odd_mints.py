"""Mints that answer as none should: nothing is believed that is not proved, and nothing is lost by it."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from holdfast.clock import SystemClock
from holdfast.errors import MintUnavailable
from holdfast.frozen import replace
from holdfast.routing.ecash.checking import check
from holdfast.routing.ecash.coins import Coin, Keyset
from holdfast.routing.ecash.planning import plan_payment
from holdfast.routing.ecash.records import Phase
from holdfast.routing.ecash.web import Reply
from tests.routing.ecash.kit import ChangingWeb, assert_sound, fill, sats, wallet_of

pytestmark = pytest.mark.service


class LateClock(SystemClock):
    """A clock that is two days ahead."""

    def now_ms(self) -> int:
        return super().now_ms() + 2 * 86_400_000


def once(end: str, answer: Callable[[Reply], Reply]) -> Callable[[str, Reply], Reply]:
    """Change the first answer of an address that ends so."""
    left = [True]

    def change(url: str, reply: Reply) -> Reply:
        return answer(reply) if left and url.endswith(end) and left.pop() else reply

    return change


def refusal(code: int) -> Reply:
    return Reply(status=400, body={"code": code, "detail": "not now"})


def with_signatures(change: Callable[[list[dict]], object]) -> Callable[[Reply], Reply]:
    """Change the signatures of an answer."""

    def answer(reply: Reply) -> Reply:
        body = dict(reply.table)
        body["signatures"] = [dict(each) for each in body["signatures"]]
        change(body["signatures"])
        return Reply(status=200, body=body)

    return answer


def forged_proof(signatures: list[dict]) -> None:
    signatures[0]["dleq"] = {**signatures[0]["dleq"], "s": "11" * 32}


def other_amount(signatures: list[dict]) -> None:
    signatures[0]["amount"] *= 2


def other_keyset(signatures: list[dict]) -> None:
    signatures[0]["id"] = "00" * 8


def no_point(signatures: list[dict]) -> None:
    signatures[0]["C_"] = "02" + "ff" * 32


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (forged_proof, "signed with another key than it shows"),
        (other_amount, "signed other amounts"),
        (other_keyset, "signed other amounts"),
        (no_point, "a signature of it is none"),
        (list.pop, "did not sign what it was given"),
    ],
)
async def test_what_a_mint_signed_is_checked_and_asked_for_again(tmp_path, mint, lie, message):
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 64)
    web = ChangingWeb(once("/v1/swap", with_signatures(lie)))
    async with wallet_of(tmp_path, mint.url, web=web) as wallet:
        with pytest.raises(MintUnavailable, match=message):
            await wallet.send(10)
        assert sats(wallet) == 0  # the one coin is held until it is known what became of it
        assert (await check(wallet)).problems == []
        assert wallet.store.newest_operations(1)[0].phase is Phase.GIVEN
        assert sats(wallet) == 53
        await assert_sound(wallet)


@pytest.mark.parametrize("code", [11002, 11004])
async def test_a_mint_that_is_still_at_it_is_waited_for(tmp_path, mint, code):
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 64)
    web = ChangingWeb(once("/v1/swap", lambda _: refusal(code)))
    async with wallet_of(tmp_path, mint.url, web=web) as wallet:
        with pytest.raises(MintUnavailable, match="not now"):
            await wallet.send(10)
        assert wallet.store.newest_operations(1)[0].phase is Phase.EXCHANGING
        await wallet.send(5)  # finishes the first one before
        assert [each.phase for each in wallet.store.newest_operations(2)] == [Phase.GIVEN] * 2
        await assert_sound(wallet)


async def test_the_mint_does_not_learn_which_coins_are_handed_over(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url, web=(web := ChangingWeb())) as wallet:
        await fill(wallet, 64)
        await wallet.send(50)
    (swap,) = [sent for url, sent in web.sent if url.endswith("/v1/swap")]
    amounts = [each["amount"] for each in swap["outputs"]]
    assert amounts == sorted(amounts)
    assert sum(amounts) == 63


async def test_an_invoice_that_somebody_else_claimed_brings_nothing(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        asked = await wallet.invoice(16)
    shutil.copy(tmp_path / "wallet.db", tmp_path / "copy.db")
    async with wallet_of(tmp_path, mint.url, name="copy") as copy:
        assert (await copy.claim(asked.id)).phase is Phase.DONE
    async with wallet_of(tmp_path, mint.url) as wallet:
        told = await wallet.claim(asked.id)
        assert (told.phase, told.message) == (Phase.FAILED, "somebody else claimed it")
        assert sats(wallet) == 0


async def test_an_invoice_that_nobody_pays_is_given_up_a_day_after_its_end(tmp_path, mint):
    ends = SystemClock().now_ms() // 1000 + 3_600

    def unpaid(url: str, reply: Reply) -> Reply:
        if "/v1/mint/quote/bolt11/" not in url:
            return reply
        return replace(reply, body={**reply.table, "state": "UNPAID", "expiry": ends})

    web = ChangingWeb(unpaid)
    async with wallet_of(tmp_path, mint.url, web=web) as wallet:
        asked = await wallet.invoice(16)
        assert (await wallet.claim(asked.id)).phase is Phase.AWAITING
        wallet.clock = LateClock()
        told = await wallet.claim(asked.id)
        assert (told.phase, told.message) == (Phase.FAILED, "it was not paid in time")


def test_coins_of_keys_that_are_no_longer_in_use_are_swapped_and_not_handed_over():
    new = Keyset(id="01", unit="sat", active=True, fee_ppk=0, keys={2**n: b"" for n in range(8)})
    old = replace(new, id="00", active=False)
    coins = [Coin(keyset="00", amount=4, secret="a", signature=b"")]
    plan = plan_payment(coins, 4, {"00": old, "01": new}, new, receiver_fee=False)
    assert (plan.exact, plan.given, plan.inputs) == (False, [4], coins)
    fresh = [replace(coins[0], keyset="01")]
    assert plan_payment(fresh, 4, {"00": old, "01": new}, new, receiver_fee=False).exact
