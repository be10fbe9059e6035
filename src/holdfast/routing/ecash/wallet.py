"""The wallet: coins of mints in one file, and what can be done with them.

Every change is made under one lock of the project, and begins by finishing what a process that died
left behind.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Self

from holdfast.clock import Clock
from holdfast.errors import MintRefused, TokenInvalid, UsageError
from holdfast.frozen import replace
from holdfast.routing.ecash import curve
from holdfast.routing.ecash.coins import UNIT, Coin, split
from holdfast.routing.ecash.exchanging import Exchange, Randomness
from holdfast.routing.ecash.file import alone
from holdfast.routing.ecash.keysets import long_id
from holdfast.routing.ecash.mint import SPENT
from holdfast.routing.ecash.planning import Plan, plan_payment, plan_receipt
from holdfast.routing.ecash.records import Kind, Operation, Phase, State
from holdfast.routing.ecash.store import Planned, WalletStore
from holdfast.routing.ecash.tokens import Token, read_token
from holdfast.routing.ecash.web import Web

MOST_SAT = 2**40
_GRACE_SECONDS = 86_400


class Wallet:
    """The wallet of a project. Amounts are whole sats, as coins are.

    async with Wallet(Path(".holdfast/wallet.db"), mints=["https://mint.example"], clock=clock) as wallet:
        asked = await wallet.invoice(1_000)
        ...                                     # somebody pays asked.invoice
        await wallet.claim(asked.id)
        token = (await wallet.send(400)).token
    """

    def __init__(
        self,
        path: Path,
        *,
        mints: Sequence[str],
        clock: Clock,
        web: Web | None = None,
        random_bytes: Randomness = token_bytes,
    ) -> None:
        self.mints = tuple(mints)
        self.clock = clock
        self.web = web or Web()
        self.store = WalletStore(path, clock)
        self.exchange = Exchange(self.store, self.web, random_bytes)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the file and let go of connections."""
        self.store.close()
        await self.web.close()

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Let nobody else move money of this wallet during a block."""
        async with alone(self.store.path, self.clock):
            yield

    def usual_mint(self, named: str | None = None) -> str:
        """Return the mint that is meant: the one named, which must be known, or the first.

        Raises:
            UsageError: the wallet has no mint, or does not know that one.
        """
        if named is None and self.mints:
            return self.mints[0]
        if named is not None and named.rstrip("/") in self.mints:
            return named.rstrip("/")
        told = f"the wallet does not know the mint {named!r}" if named else "the wallet has no mint"
        raise UsageError(
            told,
            hint=f"known: {', '.join(self.mints) or 'none'}. Whoever runs a mint holds the money: "
            'name those that you trust as mints = ["https://..."] below [wallet] in holdfast.toml',
        )

    async def invoice(self, amount: int, mint: str | None = None) -> Operation:
        """Return a Lightning invoice; once it is paid, `claim` makes coins of it.

        Raises:
            MintUnavailable: the mint does not answer.
            MintRefused: it makes no invoice, for instance of that amount.
        """
        _check_amount(amount)
        url = self.usual_mint(mint)
        active = await self.exchange.mint(url).active()
        _check_split(amount, active.keys)
        asked = await self.exchange.mint(url).invoice(amount)
        with self.store.change() as change:
            number = change.begin(
                Kind.INVOICE,
                Phase.AWAITING,
                mint=url,
                amount=amount,
                quote=asked.quote,
                invoice=asked.request,
            )
        return self.operation(number)

    async def claim(self, number: int) -> Operation:
        """Make coins of an invoice if it was paid, and return how far it is."""
        async with self.working():
            operation = self.operation(number)
            if operation.phase is Phase.AWAITING:
                operation = await self.begin_issue(operation)
            if operation.phase is Phase.EXCHANGING:
                operation = await self.exchange.finish(operation)
            return operation

    async def receive(self, text: str) -> Operation:
        """Make the coins of a token ours.

        Raises:
            TokenInvalid: it is no token.
            UsageError: it is of a mint that the wallet does not know, or is in the wallet already.
            MintRefused: somebody spent it already.
        """
        token = read_token(text)
        if token.unit != UNIT:
            raise TokenInvalid(f"it holds {token.unit!r}, and this wallet holds sats only")
        url = self.usual_mint(token.mint)
        async with self.working():
            await self.settle(url)
            coins = await self._known_coins(url, token)
            plan, planned = await self._receipt(url, coins)
            with self.store.change() as change:
                number = change.begin(Kind.RECEIVE, Phase.EXCHANGING, mint=url, amount=token.amount)
                change.add_coins(number, url, plan.inputs, State.INCOMING)
                change.add_blanks(number, planned)
            return await self._finish_receipt(number)

    async def send(
        self, amount: int, mint: str | None = None, *, receiver_fee: bool = False
    ) -> Operation:
        """Return an operation whose `token` is worth `amount`: whoever has the text has the money.

        With `receiver_fee` so much is left when the receiver has swapped it.

        Raises:
            NotEnough: the wallet holds less.
        """
        async with self.working():
            url = self.usual_mint(mint)
            await self.settle(url)
            return await self.pay(Kind.SEND, url, amount, receiver_fee=receiver_fee)

    async def take_back(self, number: int) -> Operation:
        """Make a token that was handed over ours again, if nobody spent it.

        Raises:
            UsageError: no token was handed over there.
            MintRefused: somebody spent it.
        """
        async with self.working():
            given = self.operation(number)
            if given.phase is not Phase.GIVEN:
                raise UsageError(
                    f"operation {number} has no token that could be taken back: it is {given.phase}",
                    hint="`holdfast wallet history` shows which have",
                )
            return await self.take_back_alone(given)

    # What follows is done while `working`.

    async def pay(
        self, kind: Kind, url: str, amount: int, *, node: str = "", receiver_fee: bool = False
    ) -> Operation:
        """Return an operation that hands over `amount`, in the phase `given`."""
        _check_amount(amount)
        mint = self.exchange.mint(url)
        active = await mint.active()
        coins = self.store.coins(url, State.OURS)
        _check_split(amount, active.keys)
        plan = plan_payment(coins, amount, await mint.keysets(), active, receiver_fee=receiver_fee)
        planned = [] if plan.exact else self.exchange.planned(plan, active)
        with self.store.change() as change:
            number = change.begin(kind, Phase.EXCHANGING, mint=url, amount=amount, node=node)
            operation = Operation(
                id=number, kind=kind, phase=Phase.EXCHANGING, mint=url, amount=amount, at_ms=0,
                node=node,
            )  # fmt: skip
            if plan.exact:
                self.exchange.hand_over(change, operation, plan.inputs)
            else:
                change.take_coins(number, plan.inputs, State.OURS, State.HELD)
                change.add_blanks(number, planned)
        if plan.exact:
            return self.operation(number)
        return await self.exchange.finish(self.operation(number))

    async def take_back_alone(self, given: Operation) -> Operation:
        """Do what `take_back` does."""
        coins = self.store.coins_of(given.id, State.GIVEN)
        plan, planned = await self._receipt(given.mint, coins)
        with self.store.change() as change:
            number = change.begin(
                Kind.RECEIVE,
                Phase.EXCHANGING,
                mint=given.mint,
                amount=given.amount,
                node=given.node,
                parent=given.id,
            )
            change.take_coins(number, plan.inputs, State.GIVEN, State.INCOMING)
            change.add_blanks(number, planned)
        return await self._finish_receipt(number)

    async def take_in(self, operation: Operation, token: Token) -> Operation:
        """Make the coins of a token ours for an operation that waited for it."""
        coins = await self._known_coins(operation.mint, token)
        plan, planned = await self._receipt(operation.mint, coins)
        with self.store.change() as change:
            change.add_coins(operation.id, operation.mint, plan.inputs, State.INCOMING)
            change.add_blanks(operation.id, planned)
            change.advance(operation.id, Phase.EXCHANGING)
        return await self._finish_receipt(operation.id)

    async def settle(self, url: str) -> None:
        """Finish what processes that died left behind at a mint.

        Raises:
            MintUnavailable: it does not answer.
        """
        for operation in self.store.open_operations():
            if operation.mint == url and operation.phase is Phase.EXCHANGING:
                try:
                    await self.exchange.finish(operation)
                except MintRefused:
                    continue  # it was given up, and says so

    def operation(self, number: int) -> Operation:
        """Return an operation.

        Raises:
            UsageError: there is none of this number.
        """
        found = self.store.operation(number)
        if found is None:
            raise UsageError(
                f"there is no operation {number}", hint="see `holdfast wallet history`"
            )
        return found

    async def begin_issue(self, operation: Operation) -> Operation:
        """Ask whether an invoice was paid, and make blanks for its coins if it was."""
        mint = self.exchange.mint(operation.mint)
        asked = await mint.look(operation.quote)
        if asked.state == "PAID":
            active = await mint.active()
            plan = Plan(inputs=(), kept=split(operation.amount, active.keys))
            planned = self.exchange.planned(plan, active)
            with self.store.change() as change:
                change.add_blanks(operation.id, planned)
                change.advance(operation.id, Phase.EXCHANGING)
        elif asked.state == "ISSUED":
            with self.store.change() as change:
                change.advance(operation.id, Phase.FAILED, "somebody else claimed it")
        elif asked.expires_at and self.clock.now_ms() / 1000 > asked.expires_at + _GRACE_SECONDS:
            with self.store.change() as change:
                change.advance(operation.id, Phase.FAILED, "it was not paid in time")
        return self.operation(operation.id)

    async def _receipt(self, url: str, coins: Sequence[Coin]) -> tuple[Plan, list[Planned]]:
        mint = self.exchange.mint(url)
        active = await mint.active()
        plan = plan_receipt(coins, await mint.keysets(), active)
        return plan, self.exchange.planned(plan, active)

    async def _finish_receipt(self, number: int) -> Operation:
        try:
            return await self.exchange.finish(self.operation(number))
        except MintRefused as refusal:
            if refusal.code != SPENT:
                raise
            raise MintRefused(
                "the token was spent already",
                code=SPENT,
                hint="whoever gave it has to give another",
            ) from None

    async def _known_coins(self, url: str, token: Token) -> list[Coin]:
        keysets = await self.exchange.mint(url).keysets()
        coins: list[Coin] = []
        for coin in token.coins:
            keyset = long_id(coin.keyset, keysets)
            if keyset is None or keysets[keyset].unit != UNIT:
                raise MintRefused(f"the token has coins of keys that the mint {url} does not know")
            if not curve.is_point(coin.signature):
                raise TokenInvalid("a signature in it is none")
            state = self.store.coin_state(coin.secret)
            if state is not None:
                told = "was spent already" if state is State.SPENT else "is in this wallet already"
                raise UsageError(f"the token {told}", hint="`holdfast wallet history` shows when")
            coins.append(replace(coin, keyset=keyset))
        return coins


def _check_amount(amount: int) -> None:
    if not 0 < amount <= MOST_SAT:
        raise UsageError(f"{amount} sat is no amount to move", hint=f"it is 1 to {MOST_SAT} sat")


def _check_split(amount: int, keys: Iterable[int]) -> None:
    try:
        split(amount, keys)
    except ValueError as error:
        raise UsageError(str(error)) from None
