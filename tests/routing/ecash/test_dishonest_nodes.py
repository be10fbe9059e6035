"""Nodes that forget whom they owe, or credit less than they were given: told clearly, never paid again unasked."""

from __future__ import annotations

import pytest

from holdfast.errors import NodeFailed, ProviderError, UsageError
from holdfast.routing.config import Prepaid
from holdfast.routing.ecash.records import Operation, Phase
from tests.routing.ecash.kit import assert_sound, fill, sats
from tests.routing.ecash.test_nodes import desk, request

pytestmark = pytest.mark.service
UNKNOWN = "does not know the key of your balance there any more"


async def test_a_node_that_forgot_its_key_is_told_and_gets_nothing_more(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await at.router.complete(request())
        had = sats(at.wallet)
        at.node.accounts.clear()
        with pytest.raises(ProviderError, match=UNKNOWN) as told:
            await at.router.complete(request())
        assert told.value.fault == "auth"
        assert "holdfast wallet refund desk --give-up" in told.value.hint
        with pytest.raises(ProviderError, match="left alone for now: desk/small: auth"):
            await at.router.complete(request(10_000))
        for moved in (at.balance.top_up(20), at.balance.refund()):
            with pytest.raises(NodeFailed, match=UNKNOWN):
                await moved
        assert sats(at.wallet) == had
        assert at.node.asked.count("/v1/balance/create") == 1
        await assert_sound(at.wallet)


@pytest.mark.promise("node-limit-holds")
async def test_a_balance_that_is_given_up_is_lost_and_the_next_request_opens_another_one(
    tmp_path, mint
):
    async with desk(tmp_path, mint.url, Prepaid(topup_sat=50, limit_sat=80)) as at:
        await fill(at.wallet, 1000)
        await at.router.complete(request())
        with pytest.raises(UsageError, match="knows what it has of yours"):
            await at.balance.give_up()
        await at.balance.look()
        had = at.wallet.store.account("node:desk")
        at.node.accounts.clear()
        given_up = await at.balance.give_up()
        assert (given_up.phase, given_up.amount) == (Phase.LOST, had // 1000)
        accounts = at.wallet.store.accounts()
        assert (accounts["lost:desk"], accounts.get("node:desk", 0)) == (had, 0)
        with pytest.raises(UsageError, match="no balance at node"):
            await at.balance.give_up()
        # What is lost counts: of the 80 sats that it may make off with 30 are left.
        with pytest.raises(UsageError, match=r"may have 80 sat at most: .* of them lost"):
            await at.balance.top_up(40)
        assert (await at.balance.top_up(29)).msat > 0
        await assert_sound(at.wallet)


async def test_only_what_a_node_does_not_know_any_more_is_given_up(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        for gone in (403, 404):
            await at.balance.top_up(20)
            for ill in (429, 500, 503):
                at.node.refuses = {"/v1/balance/info": ill}
                with pytest.raises(NodeFailed, match=f"HTTP {ill}"):
                    await at.balance.give_up()
                assert at.balance.key
            lost = at.wallet.store.account("lost:desk")
            at.node.refuses = {"/v1/balance/info": gone}
            assert (await at.balance.give_up()).phase is Phase.LOST
            assert at.wallet.store.account("lost:desk") == lost + 19_000
            at.node.refuses = {}
        await assert_sound(at.wallet)


async def test_a_token_that_an_ill_node_did_not_take_waits_and_comes_back_with_the_giving_up(
    tmp_path, mint
):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await at.balance.top_up(20)
        had = sats(at.wallet)
        at.node.refuses = {"/v1/balance/topup": 503}
        with pytest.raises(NodeFailed, match="HTTP 503"):
            await at.balance.top_up(50)
        assert sats(at.wallet) <= had - 50
        at.node.accounts.clear()
        assert (await at.balance.give_up()).phase is Phase.LOST
        assert had - 5 < sats(at.wallet) < had
        await assert_sound(at.wallet)


async def test_a_refund_that_came_before_the_key_was_forgotten_is_not_lost(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await at.balance.top_up(50)
        asked = at.balance._ask_back()
        token = await at.balance._node.refund(at.balance.key)
        with at.wallet.store.change() as change:  # as if the process died before the swap
            change.set_token(asked.id, token)
        at.node.accounts.clear()
        assert (await at.balance.give_up()).phase is Phase.DONE
        assert sats(at.wallet) > 990
        await assert_sound(at.wallet)


async def test_less_than_a_sat_is_not_asked_for_and_stays_for_later_requests(tmp_path, mint):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await at.balance.top_up(20)
        (account,) = at.node.accounts.values()
        account.msat = 999
        with pytest.raises(UsageError, match="has 999 msat of ours, less than the sat"):
            await at.balance.refund()
        assert "/v1/balance/refund" not in at.node.asked
        assert at.balance.key


async def test_a_key_that_is_forgotten_between_asking_and_refund_is_a_loss_that_is_told(
    tmp_path, mint, monkeypatch
):
    async with desk(tmp_path, mint.url) as at:
        await fill(at.wallet, 1000)
        await at.balance.top_up(20)
        begin = at.balance._begin_refund

        async def begin_and_forget() -> Operation:
            asked = await begin()
            at.node.accounts.clear()
            return asked

        monkeypatch.setattr(at.balance, "_begin_refund", begin_and_forget)
        with pytest.raises(NodeFailed, match=UNKNOWN):
            await at.balance.refund()
        assert at.wallet.store.newest_operations(1)[0].phase is Phase.LOST
        assert at.wallet.store.account("lost:desk") == 19_000
        assert at.balance.key == ""
        await assert_sound(at.wallet)


@pytest.mark.promise("node-limit-holds")
async def test_a_node_that_credits_nothing_gets_no_more_than_its_limit(tmp_path, mint):
    async with desk(tmp_path, mint.url, Prepaid(topup_sat=20, limit_sat=60)) as at:
        await fill(at.wallet, 1000)
        at.node.withholds = 1_000_000
        for _ in range(5):
            with pytest.raises(ProviderError):
                await at.router.complete(request())
        fees = sum(m for n, m in at.wallet.store.accounts().items() if n.startswith("fees"))
        assert 1000 - sats(at.wallet) - fees // 1000 <= 60
        await assert_sound(at.wallet)


@pytest.mark.parametrize("is_old", [False, True])
async def test_a_token_stands_in_no_address_but_of_nodes_that_know_no_other_way(
    tmp_path, mint, is_old
):
    async with desk(tmp_path, mint.url) as at:
        at.node.is_old = is_old
        await fill(at.wallet, 100)
        await at.router.complete(request())
        assert any("cashuB" in each for each in at.node.addresses) is is_old
        await assert_sound(at.wallet)
