"""Let the mint change coins, so that a kill at any moment loses and doubles nothing.

The way of every change: what goes in and the blanks of what comes out are on disk before the mint hears
of them. The same request can then be made again at any time: the mint does it once. Where it says that
it was done before, it is asked which blanks it signed (NUT-09).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from holdfast.errors import MintRefused, MintUnavailable
from holdfast.frozen import replace
from holdfast.routing.ecash import curve
from holdfast.routing.ecash.coins import MSAT, Blank, Coin, Keyset, total
from holdfast.routing.ecash.keysets import short_id
from holdfast.routing.ecash.mint import OUTPUTS_PENDING, PENDING, Mint
from holdfast.routing.ecash.planning import Moved, Plan, entries_of
from holdfast.routing.ecash.records import LOST, WALLET, Kind, Operation, Phase, State
from holdfast.routing.ecash.store import Change, Planned, WalletStore
from holdfast.routing.ecash.tokens import Token, write_token
from holdfast.routing.ecash.web import Web

Randomness = Callable[[int], bytes]
_LATER = (PENDING, OUTPUTS_PENDING)


class Exchange:
    """Makes blanks, and drives what is in the phase `exchanging` to its end."""

    def __init__(self, store: WalletStore, web: Web, random_bytes: Randomness) -> None:
        self.store = store
        self._web = web
        self._random_bytes = random_bytes
        self._mints: dict[str, Mint] = {}

    def mint(self, url: str) -> Mint:
        """Return the mint at an address."""
        if url not in self._mints:
            self._mints[url] = Mint(url, self._web)
        return self._mints[url]

    def planned(self, plan: Plan, keyset: Keyset) -> list[Planned]:
        """Return blanks for what a plan brings out, the smallest first, so that the mint learns nothing."""
        amounts = [(each, True) for each in plan.given] + [(each, False) for each in plan.kept]
        return [Planned(self._blank(amount, keyset), given) for amount, given in sorted(amounts)]

    def hand_over(self, change: Change, operation: Operation, coins: Sequence[Coin]) -> None:
        """Give coins that are ours away as they are."""
        change.take_coins(operation.id, coins, State.OURS, State.GIVEN)
        change.set_token(operation.id, token_of(operation, coins))
        change.advance(operation.id, Phase.GIVEN)
        moved = Moved(held=total(coins), given=total(coins))
        change.book(operation.id, entries_of(operation, moved))

    async def finish(self, operation: Operation) -> Operation:
        """Let the mint do what an operation waits for, if it was not done before.

        Raises:
            MintUnavailable: it can be tried again later.
            MintRefused: it will never be done; what went in is as it was.
        """
        mint, number = self.mint(operation.mint), operation.id
        blanks = [each.blank for each in self.store.blanks(number)]
        inputs = self._inputs(number)
        try:
            if operation.quote:
                coins = await mint.issue(operation.quote, blanks)
            else:
                coins = await mint.swap(inputs, blanks)
        except MintRefused as refusal:
            if refusal.code in _LATER:
                raise _later(refusal) from None
            coins = await mint.restore(blanks)
            if not coins:
                await self._abort(operation, inputs, refusal)
                raise
        self._complete(operation, coins)
        return self._again(operation)

    async def recover(self, operation: Operation) -> int:
        """Return how many sats a mint signed for an operation that was given up, and take them in."""
        planned = self.store.blanks(operation.id)
        coins = await self.mint(operation.mint).restore([each.blank for each in planned])
        with self.store.change() as change:
            change.add_coins(operation.id, operation.mint, coins, State.OURS)
            if coins:
                change.delete_blanks(operation.id)
                change.book(operation.id, {WALLET: total(coins) * MSAT, LOST: -total(coins) * MSAT})
        return total(coins)

    def write_off(self, url: str, spent: Sequence[Coin]) -> str:
        """Count coins as lost that the mint holds for spent, and return a sentence that says so."""
        with self.store.change() as change:
            number = change.begin(Kind.RECEIVE, Phase.LOST, mint=url, amount=total(spent))
            change.take_coins(number, spent, State.OURS, State.SPENT)
            change.book(number, {WALLET: -total(spent) * MSAT, LOST: total(spent) * MSAT})
            change.advance(number, Phase.LOST, "the mint says that these coins were spent")
        return f"{total(spent)} sat are gone: the mint says that their coins were spent elsewhere"

    def note_taken(self, operation: Operation) -> None:
        """Note that the receiver of a token spent it."""
        with self.store.change() as change:
            change.move_coins(operation.id, State.GIVEN, State.SPENT)
            change.advance(operation.id, Phase.DONE)

    def _blank(self, amount: int, keyset: Keyset) -> Blank:
        secret = self._random_bytes(32).hex()
        while not curve.is_scalar(factor := self._random_bytes(32)):
            pass
        return Blank(
            keyset=keyset.id,
            amount=amount,
            secret=secret,
            factor=factor,
            blinded=curve.blind(secret, factor),
        )

    def _inputs(self, number: int) -> list[Coin]:
        held = self.store.coins_of(number, State.HELD)
        return [*held, *self.store.coins_of(number, State.INCOMING)]

    def _complete(self, operation: Operation, coins: Sequence[Coin]) -> None:
        number, store = operation.id, self.store
        given_away = {each.blank.secret for each in store.blanks(number) if each.given}
        given = [coin for coin in coins if coin.secret in given_away]
        ours = [coin for coin in coins if coin.secret not in given_away]
        moved = Moved(
            held=total(store.coins_of(number, State.HELD)),
            incoming=total(store.coins_of(number, State.INCOMING)),
            issued=operation.amount if operation.quote else 0,
            ours=total(ours),
            given=total(given),
        )
        with store.change() as change:
            for state in (State.HELD, State.INCOMING):
                change.move_coins(number, state, State.SPENT)
            change.add_coins(number, operation.mint, ours, State.OURS)
            change.add_coins(number, operation.mint, given, State.GIVEN)
            change.delete_blanks(number)
            change.book(number, entries_of(operation, moved))
            if given:
                change.set_token(number, token_of(operation, given))
            if operation.parent is not None:
                change.advance(operation.parent, Phase.TAKEN_BACK)
            change.advance(number, Phase.GIVEN if given else Phase.DONE)

    async def _abort(
        self, operation: Operation, inputs: Sequence[Coin], refusal: MintRefused
    ) -> None:
        """Put everything back. What the mint holds for spent nobody has any more.

        The blanks stay: should the mint have signed them after all, `recover` finds it out.
        """
        states = await self.mint(operation.mint).states(inputs) if inputs else []
        gone = [coin for coin, state in zip(inputs, states, strict=True) if state == "SPENT"]
        number, held = operation.id, self.store.coins_of(operation.id, State.HELD)
        lost = [coin for coin in held if coin in gone]
        with self.store.change() as change:
            change.take_coins(number, lost, State.HELD, State.SPENT)
            change.move_coins(number, State.HELD, State.OURS)
            if operation.parent is not None:
                change.return_coins(number, State.INCOMING, operation.parent, State.GIVEN)
            change.delete_coins(number, State.INCOMING)
            change.book(number, {WALLET: -total(lost) * MSAT, LOST: total(lost) * MSAT})
            change.advance(number, Phase.FAILED, refusal.message)

    def _again(self, operation: Operation) -> Operation:
        read = self.store.operation(operation.id)
        assert read is not None
        return read


def token_of(operation: Operation, coins: Sequence[Coin]) -> str:
    """Return the token that an operation hands over."""
    short = tuple(replace(coin, keyset=short_id(coin.keyset)) for coin in coins)
    return write_token(Token(mint=operation.mint, coins=short))


def _later(refusal: MintRefused) -> MintUnavailable:
    return MintUnavailable(refusal.message, hint="it is still at it: try again in a moment")
