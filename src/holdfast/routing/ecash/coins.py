"""What ecash is made of, and the sums that must come out: splitting, fees, choosing coins. Pure.

Amounts of coins are in the unit of their keyset, which is the sat for all of this package.

Sources: Cashu NUT-00 (proofs, blinded messages), NUT-02 (keysets and fees).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from holdfast.frozen import frozen

UNIT = "sat"
MSAT = 1000
"""How many msat the unit is."""


@frozen
class Keyset:
    """The keys of a mint, one an amount. `fee_ppk` is what a coin costs as an input, in thousandths.

    `keys` is empty for one whose keys were not read.
    """

    id: str
    unit: str
    active: bool
    fee_ppk: int = 0
    keys: Mapping[int, bytes]


@frozen
class Coin:
    """A proof: whoever knows it can spend it, once. It is never shown by `repr`."""

    keyset: str
    amount: int
    secret: str
    signature: bytes
    """`C` of the specification."""

    def __repr__(self) -> str:
        return f"Coin(keyset={self.keyset!r}, amount={self.amount})"


@frozen
class Blank:
    """A coin to be: its secret is made and kept before the mint is asked to sign what hides it."""

    keyset: str
    amount: int
    secret: str
    factor: bytes
    blinded: bytes

    def __repr__(self) -> str:
        return f"Blank(keyset={self.keyset!r}, amount={self.amount})"


def total(coins: Iterable[Coin | Blank]) -> int:
    """Return what coins are worth together."""
    return sum(coin.amount for coin in coins)


def split(amount: int, keys: Iterable[int]) -> list[int]:
    """Return the fewest amounts with a key that come to `amount`, the smallest first.

    Raises:
        ValueError: there is no key for what is left.
    """
    parts: list[int] = []
    rest = amount
    for each in sorted(keys, reverse=True):
        count, rest = divmod(rest, each)
        parts += [each] * count
    if rest or amount < 0:
        raise ValueError(f"the mint has no coins that come to {amount}")
    return parts[::-1]


def fee_of(coins: Iterable[Coin], keysets: Mapping[str, Keyset]) -> int:
    """Return what a mint takes for swapping or redeeming coins (NUT-02): a sat for each begun 1,000 ppk."""
    return fee_of_ppk(sum(keysets[coin.keyset].fee_ppk for coin in coins))


def fee_of_ppk(ppk: int) -> int:
    """Return the fee of inputs whose thousandths come to `ppk`."""
    return -(-ppk // 1000)


def choose(coins: Sequence[Coin], amount: int, keysets: Mapping[str, Keyset]) -> list[Coin] | None:
    """Return coins that pay for `amount` and for their own fee, None if all of them do not.

    The fewest coins, so that the fee is low: the largest first, and of those the last is the smallest
    that will do.
    """
    chosen: list[Coin] = []
    rest = sorted(coins, key=lambda coin: -coin.amount)
    while rest:
        fitting = [coin for coin in rest if _pays([*chosen, coin], amount, keysets)]
        if fitting:
            return [*chosen, fitting[-1]]
        chosen.append(rest.pop(0))
    return None


def choose_exactly(coins: Sequence[Coin], parts: Sequence[int]) -> list[Coin] | None:
    """Return coins of just these amounts, None if there are none."""
    by_amount: dict[int, list[Coin]] = {}
    for coin in coins:
        by_amount.setdefault(coin.amount, []).append(coin)
    chosen: list[Coin] = []
    for part in parts:
        if not by_amount.get(part):
            return None
        chosen.append(by_amount[part].pop())
    return chosen


def with_fee(amount: int, keyset: Keyset) -> list[int]:
    """Return the parts of the smallest token of which `amount` is left when its receiver has swapped it."""
    whole = amount
    while True:
        parts = split(whole, keyset.keys)
        if whole - fee_of_ppk(len(parts) * keyset.fee_ppk) >= amount:
            return parts
        whole += 1


def _pays(coins: Sequence[Coin], amount: int, keysets: Mapping[str, Keyset]) -> bool:
    return total(coins) - fee_of(coins, keysets) >= amount
