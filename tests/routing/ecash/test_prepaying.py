"""What happens to money between wallet and node when one of them goes away at the wrong time."""

from __future__ import annotations

import pytest

from holdfast.errors import NodeFailed
from holdfast.routing.config import Prepaid
from holdfast.routing.ecash.checking import faults_of
from holdfast.routing.ecash.coins import Coin
from holdfast.routing.ecash.prepaying import Prepaying
from holdfast.routing.ecash.records import Phase, State
from holdfast.routing.ecash.tokens import Token, write_token
from holdfast.routing.ledger.entries import ProviderCharges, Unknown
from tests.routing.ecash.kit import Killed, assert_sound, fill, sats, wallet_of
from tests.routing.ecash.test_nodes import desk
from tests.servers.process import free_port

pytestmark = pytest.mark.service
PREPAID = Prepaid(topup_sat=50, limit_sat=200)


class Noted:
    """A ledger that says what it is told to say, and keeps what is debited."""

    def __init__(self, charges: ProviderCharges) -> None:
        self.charges = charges
        self.debited: dict[str, int] = {}

    async def charges_of(self, provider: str) -> ProviderCharges:
        assert provider == "desk"
        return self.charges

    async def resolve(self, request_id: str, charged_msat: int) -> None:
        self.debited[request_id] = charged_msat


async def test_a_token_that_did_not_arrive_is_handed_over_before_the_next_one(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        away = Prepaying(at.wallet, "desk", f"http://127.0.0.1:{free_port()}/v1", PREPAID)
        with pytest.raises(NodeFailed, match="cannot be reached"):
            await away.top_up(50)
        assert (await at.balance.top_up(30)).msat >= 78_000
        assert at.wallet.store.account("transit:desk") == 0
        assert [e for e in at.wallet.store.open_operations() if e.phase is Phase.GIVEN] == []
        await assert_sound(at.wallet)


async def test_what_a_node_does_not_credit_is_lost_and_no_fee_of_the_mint(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        at.node.withholds = 5_000
        await at.balance.top_up(50)
        accounts = at.wallet.store.accounts()
        assert accounts["lost:desk"] == 5_000
        assert 0 < accounts["fees:desk"] <= 3_000
        assert (
            accounts["node:desk"]
            == 1_000_000 - sats(at.wallet) * 1000 - 5_000 - accounts["fees:desk"]
        )
        assert "fees" not in accounts  # all of it was for the node


async def test_a_refund_whose_answer_was_lost_is_asked_for_again(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await at.balance.top_up(50)
        at.node.lose = {"/v1/balance/refund"}
        with pytest.raises(NodeFailed, match="the connection broke"):
            await at.balance.refund()
        assert (await at.balance.refund()).phase is Phase.DONE
        assert sats(at.wallet) > 990
        await assert_sound(at.wallet)


async def test_a_refund_is_kept_before_it_is_swapped(tmp_path, mint, monkeypatch):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await at.balance.top_up(50)

        async def die(*_: object) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(at.wallet, "take_in", die)
            with pytest.raises(Killed):
                await at.balance.refund()
        (account,) = at.node.accounts.values()
        account.refund = ""  # it gives it once
        assert (await at.balance.refund()).phase is Phase.DONE
        assert sats(at.wallet) > 990
        await assert_sound(at.wallet)


async def test_coins_of_a_mint_that_nobody_trusts_are_not_taken_for_a_refund(
    tmp_path, mint, monkeypatch
):
    coin = Coin(keyset="00" * 8, amount=49, secret="s", signature=b"\x02" + b"\x01" * 32)
    worthless = write_token(Token(mint="https://other.example", coins=(coin,)))

    async def refund(_: str) -> str:
        return worthless

    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await at.balance.top_up(50)
        with monkeypatch.context() as patch:
            patch.setattr(at.balance._node, "refund", refund)
            with pytest.raises(
                NodeFailed, match=r"of the mint https://other\.example, which is not"
            ):
                await at.balance.refund()
        assert at.wallet.store.account("node:desk") > 40_000
        assert (await at.balance.refund()).phase is Phase.DONE
        await assert_sound(at.wallet)


UNKNOWN = (
    Unknown(request_id="a", held_msat=3_000, known_msat=0),
    Unknown(request_id="b", held_msat=1_000, known_msat=70),
)


@pytest.mark.parametrize(
    ("under_way", "reserved", "debited"),
    [(0, 0, {"a": 750, "b": 320}), (1, 0, {}), (0, 500, {})],
)
async def test_what_a_node_took_beyond_all_known_charges_was_for_those_of_which_nobody_knows(
    tmp_path, mint, under_way, reserved, debited
):
    """Not while requests are on their way: what is taken for them is not known yet."""
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await at.balance.top_up(50)
        (account,) = at.node.accounts.values()
        account.msat -= 1_200
        account.reserved = reserved
        noted = Noted(
            ProviderCharges(charged_msat=200, calls=3, under_way=under_way, unknown=UNKNOWN)
        )
        balance = Prepaying(at.wallet, "desk", at.node.url, PREPAID, book=noted)
        assert await balance.explain() == len(debited)
        assert noted.debited == debited


async def test_accounts_that_do_not_add_up_are_refused_or_told(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 8)
        with (
            pytest.raises(ValueError, match="must come to nothing"),
            wallet.store.change() as change,
        ):
            change.book(None, {"wallet": 1_000})
        assert faults_of(wallet) == []
        with wallet.store.change() as change:
            coins = wallet.store.coins(mint.url, State.OURS)
            change.take_coins(1, coins[:1], State.OURS, State.SPENT)
        assert faults_of(wallet) == ["the coins come to 0 msat, the account to 8000 msat"]


async def test_a_coin_that_moved_meanwhile_undoes_the_whole_change(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        await fill(wallet, 3)
        coins = wallet.store.coins(mint.url, State.OURS)
        with pytest.raises(RuntimeError, match="moved"), wallet.store.change() as change:
            change.take_coins(1, [*coins, coins[0]], State.OURS, State.SPENT)
        assert sats(wallet) == 3


async def test_what_the_wallet_says_is_done_is_on_the_disk(tmp_path, mint):
    async with wallet_of(tmp_path, mint.url) as wallet:
        (level,) = wallet.store._connection.execute("PRAGMA synchronous").fetchone()
        assert level == 2  # FULL: after each change
