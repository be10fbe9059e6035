"""Move money between the wallet and the balances at nodes, so that a kill at any moment loses nothing.

A token for a node is kept until the node is seen to have it: it is handed over again after a crash, since
a node takes a token once. Whether it took it the mint knows: its coins are spent then.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from holdfast.errors import MintRefused, NodeFailed, NotEnough, UsageError
from holdfast.frozen import replace
from holdfast.routing.config import Prepaid
from holdfast.routing.ecash.coins import MSAT, fee_of, total
from holdfast.routing.ecash.limits import Standing, amount_of_topup, distribute, overhead_msat
from holdfast.routing.ecash.nodes import Balance, NodeBalance
from holdfast.routing.ecash.records import (
    Kind,
    KnownNode,
    Operation,
    Phase,
    State,
    fees_account,
    lost_account,
    node_account,
    spent_account,
    transit_account,
)
from holdfast.routing.ecash.tokens import read_token
from holdfast.routing.ecash.wallet import Wallet
from holdfast.routing.ledger.entries import ProviderCharges

_KEY_GONE = (401, 403, 404)


class Book(Protocol):
    """Where what nodes charge is logged: the ledger."""

    async def charges_of(self, provider: str) -> ProviderCharges:
        """Return what a provider charged for all requests, and of which nobody knows it."""
        ...

    async def resolve(self, request_id: str, charged_msat: int) -> object:
        """Debit what a request cost after all."""
        ...


class Prepaying:
    """The balance at one node."""

    def __init__(
        self,
        wallet: Wallet,
        name: str,
        base_url: str,
        prepaid: Prepaid,
        *,
        book: Book | None = None,
    ) -> None:
        self.name = name
        self.prepaid = prepaid
        self._wallet = wallet
        self._store = wallet.store
        self._url = base_url
        self._node = NodeBalance(name, base_url, wallet.web)
        self._book = book

    @property
    def key(self) -> str:
        """The key at the node, empty before the first top-up."""
        known = self._store.node(self.name)
        return known.key if known else ""

    async def standing(self) -> Standing:
        """Return how things stand at the node by the accounts; it is not asked."""
        charges = await self._charges()
        return Standing(
            balance_msat=self._store.account(node_account(self.name)),
            transit_msat=self._store.account(transit_account(self.name)),
            taken_msat=self._store.account(spent_account(self.name)),
            charged_msat=charges.charged_msat + sum(each.held_msat for each in charges.unknown),
            lost_msat=self._store.account(lost_account(self.name)),
        )

    async def overhead_msat(self) -> int:
        """Return what paying for a request costs besides its price, as far as that is known."""
        fees = self._store.account(fees_account(self.name))
        return overhead_msat(fees, (await self._charges()).calls)

    async def top_up(self, amount: int | None = None, *, missing_msat: int = 0) -> Balance:
        """Hand money over and return the balance then: `amount` sats, or as much as is usual or missing.

        Raises:
            UsageError: the limit does not allow it.
            NotEnough: the wallet holds too little.
            NodeFailed: the node did not take it; it is on its way, or back.
        """
        async with self._wallet.working():
            mint = self._wallet.usual_mint(self.prepaid.mint or None)
            await self._wallet.settle(mint)
            await self._deliver_open()
            if self.key:
                await self.look_alone()
            chosen = self._allowed(await self.standing(), amount, missing_msat)
            given = await self._wallet.pay(Kind.TOPUP, mint, chosen, node=self.name)
            await self._deliver(given)
            return await self.look_alone()

    async def look(self) -> Balance:
        """Return the balance by the word of the node, and book what it took."""
        async with self._wallet.working():
            return await self.look_alone()

    async def refund(self) -> Operation:
        """Take the balance back, with what is on its way and was not taken.

        Raises:
            UsageError: there is nothing at the node.
            NodeFailed: the node gives nothing back.
        """
        async with self._wallet.working():
            await self._take_back_untaken()
            self._check_key()
            # What was asked for before a crash is asked for again: the balance is gone by then.
            asked = self._asked_before() or await self._begin_refund()
            return await self._finish_refund(asked)

    async def give_up(self) -> Operation:
        """Count a balance as lost whose key the node does not know any more, and forget the key.

        Raises:
            UsageError: there is none, or the node knows it.
            NodeFailed: it does not answer.
        """
        async with self._wallet.working():
            await self._take_back_untaken()
            self._check_key()
            before = self._asked_before()
            if before is not None and (before.token or before.phase is Phase.EXCHANGING):
                return await self._finish_refund(before)  # the node gave it back by then
            try:
                await self.look_alone()
            except NodeFailed as error:
                if error.status not in _KEY_GONE:
                    raise
                asked = before or self._ask_back()
                self._lose(asked, error.message)
                return self._close(self._wallet.operation(asked.id))
            raise UsageError(
                f"node {self.name!r} knows what it has of yours",
                hint=f"`holdfast wallet refund {self.name}` takes it back",
            )

    def working(self) -> AbstractAsyncContextManager[None]:
        """Let nobody else move money of the wallet during a block."""
        return self._wallet.working()

    async def settle(self) -> None:
        """Finish what was left behind; call it while `working`.

        Raises:
            WalletError: the node or the mint does not answer, or says no.
        """
        if (asked := self._asked_before()) is not None:
            await self._finish_refund(asked)
        await self._deliver_open()
        if self.key:
            await self.look_alone()

    async def explain(self) -> int:
        """Find out what requests cost of which nobody knows it; return how many it were.

        What the node took beyond all known charges was for them. Nothing is done while requests are on
        their way to it.
        """
        charges = await self._charges()
        if not self.key or not charges.unknown or charges.under_way or self._book is None:
            return 0
        if (await self.look()).reserved_msat:
            return 0
        taken = self._store.account(spent_account(self.name)) - charges.charged_msat
        shares = distribute(taken, [(each.request_id, each.held_msat) for each in charges.unknown])
        for each in charges.unknown:
            await self._book.resolve(each.request_id, each.known_msat + shares[each.request_id])
        return len(charges.unknown)

    async def close(self) -> None:
        """Close the wallet."""
        await self._wallet.close()

    async def look_alone(self) -> Balance:
        """Do what `look` does while the wallet is `working`."""
        told = await self._node.info(self.key)
        before = self._store.account(node_account(self.name))
        change_msat = told.msat - before
        if change_msat:
            with self._store.change() as change:
                accounts = node_account(self.name), spent_account(self.name)
                change.book(None, dict(zip(accounts, (change_msat, -change_msat), strict=True)))
        return told

    async def _charges(self) -> ProviderCharges:
        return ProviderCharges() if self._book is None else await self._book.charges_of(self.name)

    def _allowed(self, standing: Standing, amount: int | None, missing_msat: int) -> int:
        limit = self.prepaid.limit_sat
        most = amount_of_topup(standing, replace(self.prepaid, topup_sat=limit))
        chosen = amount or amount_of_topup(standing, self.prepaid, missing_msat)
        if 0 < chosen <= most:
            return chosen
        has = f"it has {standing.exposure_msat / MSAT:g} sat of ours"
        if standing.missing_msat:
            has += f", {standing.missing_msat / MSAT:g} of them taken and not charged for"
        if standing.lost_msat > 0:
            has += f", {standing.lost_msat / MSAT:g} of them lost"
        raise UsageError(
            f"node {self.name!r} may have {limit} sat at most: {has}",
            hint=f"raise limit_sats of [providers.{self.name}], which is what a node can make off with",
        )

    async def _deliver_open(self) -> None:
        for each in self._store.open_operations():
            if each.node == self.name and (each.kind, each.phase) == (Kind.TOPUP, Phase.GIVEN):
                await self._deliver(each)

    async def _deliver(self, given: Operation) -> None:
        """Hand a token to the node; if it is seen not to want it, take it back.

        Raises:
            NodeFailed: the node did not say that it took it.
        """
        keysets = await self._wallet.exchange.mint(given.mint).keysets()
        fee = fee_of(self._store.coins_of(given.id, State.GIVEN), keysets)
        try:
            credited = await self._hand_over(given)
        except NodeFailed as error:
            if not await self._is_taken(given):
                if 400 <= error.status < 500:
                    await self._give_up(given, error)
                raise
            # The answer to a try was lost: a balance tells what it credited, a token opens the same again.
            credited = None if self.key else await self._hand_over(given)
        self._credit(given, fee, credited)

    async def _hand_over(self, given: Operation) -> int:
        if key := self.key:
            return await self._node.top_up(key, given.token)
        opened = await self._node.create(given.token)
        with self._store.change() as change:
            made = KnownNode(name=self.name, url=self._url, key=opened.key, mint=given.mint)
            change.write_node(made)
        return opened.msat

    async def _is_taken(self, given: Operation) -> bool:
        coins = self._store.coins_of(given.id, State.GIVEN)
        states = await self._wallet.exchange.mint(given.mint).states(coins)
        return any(state == "SPENT" for state in states)

    async def _give_up(self, given: Operation, error: NodeFailed) -> None:
        try:
            await self._wallet.take_back_alone(given)
        except (MintRefused, NotEnough):
            raise error from None

    def _credit(self, given: Operation, fee: int, credited_msat: int | None) -> None:
        """Book a token that arrived: what is not credited is the mint's fee, and beyond that lost."""
        coins = self._store.coins_of(given.id, State.GIVEN)
        token_msat = total(coins) * MSAT
        fee_msat = fee * MSAT
        credited = token_msat - fee_msat if credited_msat is None else credited_msat
        withheld = token_msat - credited
        with self._store.change() as change:
            change.move_coins(given.id, State.GIVEN, State.SPENT)
            change.book(
                given.id,
                {
                    transit_account(self.name): -token_msat,
                    node_account(self.name): credited,
                    fees_account(self.name): min(withheld, fee_msat),
                    lost_account(self.name): max(0, withheld - fee_msat),
                },
            )
            change.advance(given.id, Phase.DONE)

    async def _take_back_untaken(self) -> None:
        for each in self._store.open_operations():
            if each.node != self.name or (each.kind, each.phase) != (Kind.TOPUP, Phase.GIVEN):
                continue
            if await self._is_taken(each):
                await self._deliver(each)
            else:
                await self._wallet.take_back_alone(each)

    def _asked_before(self) -> Operation | None:
        for each in self._store.open_operations():
            if each.node == self.name and each.kind is Kind.REFUND:
                return each
        return None

    async def _begin_refund(self) -> Operation:
        told = await self.look_alone()
        if told.msat < MSAT:
            raise UsageError(
                f"node {self.name!r} has {told.msat} msat of ours, less than the sat that a coin is",
                hint="it stays for later requests",
            )
        return self._ask_back()

    def _ask_back(self) -> Operation:
        known = self._store.node(self.name)
        assert known is not None
        with self._store.change() as change:
            number = change.begin(
                Kind.REFUND,
                Phase.ASKING,
                mint=known.mint,
                amount=self._store.account(node_account(self.name)) // MSAT,
                node=self.name,
            )
        return self._wallet.operation(number)

    def _check_key(self) -> None:
        if not self.key:
            raise UsageError(
                f"there is no balance at node {self.name!r}",
                hint="`holdfast wallet balance` shows where there is",
            )

    async def _finish_refund(self, asked: Operation) -> Operation:
        if asked.phase is Phase.EXCHANGING:
            return self._close(await self._wallet.exchange.finish(asked))
        try:
            text = asked.token or await self._node.refund(self.key)
        except NodeFailed as error:
            if 400 <= error.status < 500:
                await self._refused(asked, error)
            raise
        token = read_token(text)
        if token.mint != asked.mint and token.mint not in self._wallet.mints:
            raise NodeFailed(
                f"node {self.name!r} gives back coins of the mint {token.mint}, which is not known",
                hint="name it below [wallet] if you trust it, and ask again at once",
            )
        moved = replace(asked, mint=token.mint)
        with self._store.change() as change:
            # Kept before it is swapped: the node gives it once.
            change.set_mint(asked.id, token.mint)
            change.set_token(asked.id, text)
        return self._close(await self._wallet.take_in(moved, token))

    async def _refused(self, asked: Operation, error: NodeFailed) -> None:
        """Note a refusal: the money is where it was, or the node says that it is gone."""
        try:
            told = await self.look_alone()
            is_gone = told.msat < MSAT and not told.reserved_msat
        except NodeFailed as failure:
            if failure.status not in _KEY_GONE:
                raise
            is_gone = True
        if is_gone:
            self._lose(asked, error.message)
            self._close(asked)
            return
        with self._store.change() as change:
            change.advance(asked.id, Phase.FAILED, error.message)

    def _lose(self, asked: Operation, message: str) -> None:
        with self._store.change() as change:
            change.advance(asked.id, Phase.LOST, message)

    def _close(self, done: Operation) -> Operation:
        """Forget the key of a balance. A rest of less than a sat is a fee, as coins are whole; more is lost."""
        known = self._store.node(self.name)
        left = self._store.account(node_account(self.name))
        account = fees_account if 0 <= left < MSAT else lost_account
        with self._store.change() as change:
            if known is not None:
                change.write_node(replace(known, key=""))
            change.book(done.id, {node_account(self.name): -left, account(self.name): left})
        return done
