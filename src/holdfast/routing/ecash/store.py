"""What the wallet keeps: every change of coins and accounts, whole and on disk or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.clock import Clock
from holdfast.frozen import NamedTuple
from holdfast.routing.ecash.coins import Blank, Coin
from holdfast.routing.ecash.file import QUERIES, open_empty, open_file, transaction
from holdfast.routing.ecash.records import (
    ENDED,
    FoundNode,
    Kind,
    KnownNode,
    Operation,
    Phase,
    State,
)

Entries = Mapping[str, int]
"""What a booking adds to accounts, in msat; it comes to nothing."""


class Holding(NamedTuple):
    """What coins of a mint in one state are worth, and how many they are."""

    mint: str
    state: State
    amount: int
    coins: int


class Planned(NamedTuple):
    """A coin to be, and whether it will be handed over."""

    blank: Blank
    given: bool


class WalletStore:
    """The file of a wallet. Changes belong into `change`; several in one block are one change.

    The first change makes the file: what only looks, or fails before, leaves nothing behind.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self._is_on_disk = path.exists()
        self._connection = open_file(path) if self._is_on_disk else open_empty()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def change(self) -> Generator[Change]:
        """Give what changes the wallet; at the end of the block all of it is on disk."""
        self._open()
        with transaction(self._connection, self.path) as connection:
            yield Change(connection, self.clock.now_ms())

    def _open(self) -> None:
        """Go on with the file, made when it is missing."""
        if not self._is_on_disk:
            made = open_file(self.path)
            self._connection.close()
            self._connection, self._is_on_disk = made, True

    def operation(self, number: int) -> Operation | None:
        """Return an operation."""
        row = self._one("operation", number)
        return None if row is None else _operation(row)

    def open_operations(self) -> Sequence[Operation]:
        """Return what is not finished, in the order in which it began."""
        return [_operation(row) for row in self._all("open_operations")]

    def newest_operations(self, limit: int) -> Sequence[Operation]:
        """Return what began last."""
        return [_operation(row) for row in self._all("newest_operations", limit)]

    def coins(self, mint: str, state: State) -> Sequence[Coin]:
        """Return the coins of a mint in a state, the largest first."""
        return [_coin(row) for row in self._all("coins_in_state", mint, state)]

    def coins_of(self, operation: int, state: State) -> Sequence[Coin]:
        """Return coins that an operation works with, the smallest first."""
        return [_coin(row) for row in self._all("coins_of_operation", operation, state)]

    def coin_state(self, secret: str) -> State | None:
        """Return where a coin is, None if it was never here."""
        row = self._one("coin_state", secret)
        return None if row is None else State(row[0])

    def blanks(self, operation: int) -> Sequence[Planned]:
        """Return the coins to be of an operation."""
        return [
            Planned(
                Blank(keyset=row[0], amount=row[1], secret=row[2], factor=row[3], blinded=row[4]),
                bool(row[5]),
            )
            for row in self._all("blanks", operation)
        ]

    def operations_with_blanks(self) -> Sequence[int]:
        """Return operations that ended while their blanks were not signed."""
        return [number for (number,) in self._all("operations_with_blanks")]

    def holdings(self) -> Sequence[Holding]:
        """Return what all coins are worth."""
        rows = self._all("sums_by_state")
        return [Holding(mint, State(state), amount, count) for mint, state, amount, count in rows]

    def accounts(self) -> Mapping[str, int]:
        """Return what stands on each account, in msat."""
        return dict(self._all("accounts"))

    def account(self, name: str) -> int:
        """Return what stands on an account, in msat."""
        return self._one("account", name)[0]

    def fees_of(self, operation: int) -> int:
        """Return what an operation cost in fees, in msat."""
        return self._one("operation_fees", operation)[0]

    def unbalanced(self) -> Mapping[int, int]:
        """Return operations whose bookings do not come to nothing; there are none."""
        return dict(self._all("unbalanced"))

    def node(self, name: str) -> KnownNode | None:
        """Return what is known of a node that is paid."""
        row = self._one("node", name)
        return None if row is None else KnownNode(name=row[0], url=row[1], key=row[2], mint=row[3])

    def found(self) -> Sequence[FoundNode]:
        """Return the nodes that others told of, those that were accepted first."""
        return [
            FoundNode(
                url=url,
                name=name,
                mints=tuple(mints.split()),
                author=author,
                source=source,
                version=version,
                said_at_ms=said,
                accepted=accepted,
                topup_sat=topup,
                limit_sat=limit,
            )
            for url, name, mints, author, source, version, said, accepted, topup, limit in self._all(
                "found"
            )
        ]

    def _all(self, query: str, *values: object) -> list[Any]:
        return self._asked(query, values).fetchall()

    def _one(self, query: str, *values: object) -> Any:
        return self._asked(query, values).fetchone()

    def _asked(self, query: str, values: Sequence[object]) -> sqlite3.Cursor:
        if not self._is_on_disk and self.path.exists():  # another process made it
            self._open()
        return self._connection.execute(QUERIES[query], values)


class Change:
    """Changes of the wallet within one transaction."""

    def __init__(self, connection: sqlite3.Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms

    def begin(
        self,
        kind: Kind,
        phase: Phase,
        *,
        mint: str,
        amount: int,
        node: str = "",
        quote: str = "",
        invoice: str = "",
        parent: int | None = None,
    ) -> int:
        """Note something that is to be done, and return its number."""
        row = (kind, phase, mint, amount, self._now_ms, node, quote, invoice, parent)
        number = self._connection.execute(QUERIES["insert_operation"], row).lastrowid
        assert number
        return number

    def advance(self, operation: int, phase: Phase, message: str = "") -> None:
        """Say how far an operation is."""
        ended = self._now_ms if phase in ENDED else None
        self._run("advance_operation", phase, message, ended, operation)

    def set_token(self, operation: int, token: str) -> None:
        """Keep what is handed over."""
        self._run("set_token", token, operation)

    def add_coins(self, operation: int, mint: str, coins: Iterable[Coin], state: State) -> None:
        """Take in coins that were never here."""
        for coin in coins:
            row = (coin.secret, mint, coin.keyset, coin.amount, coin.signature, state, operation)
            self._run("insert_coin", *row)

    def set_mint(self, operation: int, mint: str) -> None:
        """Say of which mint the coins of an operation are."""
        self._run("set_mint", mint, operation)

    def take_coins(
        self, operation: int, coins: Iterable[Coin], before: State, after: State
    ) -> None:
        """Give coins to an operation, in another state.

        Raises:
            RuntimeError: one of them is not where it was seen; the whole change is undone.
        """
        for coin in coins:
            done = self._run("move_coin", after, operation, coin.secret, before)
            if done.rowcount != 1:
                raise RuntimeError("a coin of the wallet moved while it was not locked")

    def move_coins(self, operation: int, before: State, after: State) -> None:
        """Put all coins of an operation that are in one state into another."""
        self._run("move_coins", after, operation, before)

    def return_coins(self, operation: int, before: State, parent: int, after: State) -> None:
        """Give coins back to the operation that they came from."""
        self._run("return_coins", after, parent, operation, before)

    def delete_coins(self, operation: int, state: State) -> None:
        """Forget coins that are not ours and did not become so."""
        self._run("delete_coins", operation, state)

    def add_blanks(self, operation: int, planned: Iterable[Planned]) -> None:
        """Keep coins to be, before anybody is told of them."""
        for place, (blank, given) in enumerate(planned):
            row = (operation, place, blank.keyset, blank.amount, blank.secret, blank.factor)
            self._run("insert_blank", *row, blank.blinded, given)

    def delete_blanks(self, operation: int) -> None:
        """Forget the coins to be of an operation: they are coins now."""
        self._run("delete_blanks", operation)

    def book(self, operation: int | None, entries: Entries) -> None:
        """Move msat between accounts.

        Raises:
            ValueError: more or less is added than is taken.
        """
        if sum(entries.values()):
            raise ValueError("a booking must come to nothing")
        for account, msat in entries.items():
            if msat:
                self._run("insert_entry", operation, self._now_ms, account, msat)

    def write_node(self, node: KnownNode) -> None:
        """Keep what is known of a node that is paid."""
        self._run("write_node", node.name, node.url, node.key, node.mint)

    def write_found(self, node: FoundNode) -> None:
        """Keep what somebody told of a node, unless something newer is known."""
        mints = " ".join(node.mints)
        row = (node.url, node.name, mints, node.author, node.source, node.version)
        self._run("write_found", *row, node.said_at_ms)

    def accept(self, node: FoundNode) -> None:
        """Keep what a person decided about a node."""
        self._run("accept", node.accepted, node.topup_sat, node.limit_sat, node.url)

    def _run(self, query: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(QUERIES[query], values)


def _operation(row: Sequence[Any]) -> Operation:
    number, kind, phase, mint, amount, at_ms, ended_ms, *rest = row
    node, quote, invoice, token, parent, message = rest
    return Operation(
        id=number,
        kind=Kind(kind),
        phase=Phase(phase),
        mint=mint,
        amount=amount,
        at_ms=at_ms,
        ended_ms=ended_ms,
        node=node,
        quote=quote,
        invoice=invoice,
        token=token,
        parent=parent,
        message=message,
    )


def _coin(row: Sequence[Any]) -> Coin:
    keyset, amount, secret, signature = row
    return Coin(keyset=keyset, amount=amount, secret=secret, signature=signature)
