"""Decide which coins go in and come out, and what is booked then. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.errors import NotEnough
from holdfast.frozen import frozen
from holdfast.routing.cost import format_msat
from holdfast.routing.ecash.coins import (
    MSAT,
    Coin,
    Keyset,
    choose,
    choose_exactly,
    fee_of,
    split,
    total,
    with_fee,
)
from holdfast.routing.ecash.records import (
    OUTSIDE,
    WALLET,
    Kind,
    Operation,
    fees_account,
    node_account,
    transit_account,
)


@frozen
class Plan:
    """Coins that go in; the amounts that are handed over, and those that stay.

    With `exact` the coins themselves are handed over: nothing is to be swapped.
    """

    inputs: Sequence[Coin]
    given: Sequence[int] = ()
    kept: Sequence[int] = ()
    exact: bool = False


def plan_payment(
    coins: Sequence[Coin],
    amount: int,
    keysets: Mapping[str, Keyset],
    active: Keyset,
    *,
    receiver_fee: bool,
) -> Plan:
    """Return how to hand over `amount`; with `receiver_fee` that is left when the receiver has swapped.

    Raises:
        NotEnough: the coins do not come to it, with the fee.
        ValueError: the mint has no coins for the amount.
    """
    given = with_fee(amount, active) if receiver_fee else split(amount, active.keys)
    own = [coin for coin in coins if coin.keyset == active.id]
    if (exact := choose_exactly(own, given)) is not None:
        return Plan(inputs=exact, given=given, exact=True)
    inputs = choose(coins, sum(given), keysets)
    if inputs is None:
        raise _not_enough(coins, amount, keysets)
    change = total(inputs) - fee_of(inputs, keysets) - sum(given)
    return Plan(inputs=inputs, given=given, kept=split(change, active.keys))


def plan_receipt(coins: Sequence[Coin], keysets: Mapping[str, Keyset], active: Keyset) -> Plan:
    """Return how to make coins of somebody else ours.

    Raises:
        NotEnough: they are worth no more than the fee.
        ValueError: the mint has no coins for what is left.
    """
    left = total(coins) - fee_of(coins, keysets)
    if left <= 0:
        raise NotEnough(
            f"the token is worth {total(coins)} sat, and the mint takes as much for swapping it",
            hint="ask for one of more",
        )
    return Plan(inputs=coins, kept=split(left, active.keys))


@frozen
class Moved:
    """What an operation moved, in sats: inputs of ours and of others, an invoice, coins that came out."""

    held: int = 0
    incoming: int = 0
    issued: int = 0
    ours: int = 0
    given: int = 0


def entries_of(operation: Operation, moved: Moved) -> Mapping[str, int]:
    """Return what is booked when the mint has done its part, in msat; the rest is its fee."""
    fee = moved.held + moved.incoming + moved.issued - moved.ours - moved.given
    sums: dict[str, int] = {}
    for account, sats in (
        (WALLET, moved.ours - moved.held),
        (_source(operation), -moved.incoming - moved.issued),
        (_receiver(operation), moved.given),
        (fees_account(operation.node), fee),
    ):
        sums[account] = sums.get(account, 0) + sats * MSAT
    return sums


def _source(operation: Operation) -> str:
    """Return the account that an operation brings money from."""
    if not operation.node:
        return OUTSIDE
    if operation.kind is Kind.REFUND:
        return node_account(operation.node)
    return transit_account(operation.node)


def _receiver(operation: Operation) -> str:
    return transit_account(operation.node) if operation.node else OUTSIDE


def _not_enough(coins: Sequence[Coin], amount: int, keysets: Mapping[str, Keyset]) -> NotEnough:
    held = format_msat(total(coins) * MSAT)
    if total(coins) < amount:
        told = f"the wallet holds {held} at this mint, {amount} sat are asked for"
    else:
        fee = fee_of(coins, keysets)
        told = f"the wallet holds {held} at this mint; with the mint's fee (up to {fee} sat) that "
        told += f"does not pay for {amount} sat"
    return NotEnough(told, hint="fill it with `holdfast wallet invoice AMOUNT` or `receive`")
