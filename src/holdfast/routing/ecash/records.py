"""What the wallet remembers: operations and how far they are, states of coins, accounts."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from holdfast.frozen import frozen


class Kind(StrEnum):
    """What an operation is for."""

    INVOICE = "invoice"
    """Coins for a payment over Lightning."""
    RECEIVE = "receive"
    """Coins of somebody else swapped for our own, or our own that nobody took."""
    SEND = "send"
    """Coins for somebody else."""
    TOPUP = "topup"
    """Coins for the balance at a node."""
    REFUND = "refund"
    """The balance at a node taken back as coins."""


class Phase(StrEnum):
    """How far an operation is. What comes before an answer of others can be done again at any time."""

    AWAITING = "awaiting"
    """An invoice that nobody was seen to pay yet."""
    ASKING = "asking"
    """A node is asked to give its balance back; the answer is not known."""
    EXCHANGING = "exchanging"
    """The mint is given coins, or an invoice that is paid, for blanks: both are on disk."""
    GIVEN = "given"
    """A token is on its way to its receiver. Its coins are no longer ours, if the mint says so."""
    DONE = "done"
    TAKEN_BACK = "taken back"
    """The receiver did not take the token, and another operation made it ours again."""
    FAILED = "failed"
    """Nothing was moved; the message says why."""
    LOST = "lost"
    """The money is gone; the message says where."""


ENDED: Final = frozenset({Phase.DONE, Phase.TAKEN_BACK, Phase.FAILED, Phase.LOST})


class State(StrEnum):
    """Where a coin is."""

    OURS = "ours"
    """It can be spent."""
    HELD = "held"
    """It is ours, and an operation that is not finished works with it."""
    INCOMING = "incoming"
    """Somebody gave it to us, and could spend it still."""
    GIVEN = "given"
    """It is in a token that was handed over."""
    SPENT = "spent"
    """The mint has it, or nobody can tell any more."""


WALLET: Final = "wallet"
LOST: Final = "lost"
OUTSIDE: Final = "outside"
"""Whom money came from or went to: Lightning, and people with tokens."""


@frozen
class Operation:
    """Something that moves money. Its token is a secret until its coins are spent."""

    id: int
    kind: Kind
    phase: Phase
    mint: str
    amount: int
    at_ms: int
    ended_ms: int | None = None
    node: str = ""
    quote: str = ""
    invoice: str = ""
    token: str = ""
    parent: int | None = None
    message: str = ""

    def __repr__(self) -> str:
        return f"Operation(id={self.id}, kind={self.kind!r}, phase={self.phase!r})"


@frozen
class KnownNode:
    """A node that has or had money of ours. `key` is a secret; empty before the first top-up."""

    name: str
    url: str
    key: str = ""
    mint: str = ""

    def __repr__(self) -> str:
        return f"KnownNode(name={self.name!r}, url={self.url!r})"


@frozen
class FoundNode:
    """A node that somebody told of. `accepted` is the provider that a person made of it, or empty."""

    url: str
    name: str
    mints: tuple[str, ...]
    author: str = ""
    source: str = ""
    version: str = ""
    said_at_ms: int = 0
    accepted: str = ""
    topup_sat: int = 0
    limit_sat: int = 0


def fees_account(node: str = "") -> str:
    """Return the account of what mints took, besides, or for paying a node."""
    return f"fees:{node}" if node else "fees"


def transit_account(node: str) -> str:
    """Return the account of what is on its way to a node."""
    return f"transit:{node}"


def node_account(node: str) -> str:
    """Return the account of what a node has of ours."""
    return f"node:{node}"


def spent_account(node: str) -> str:
    """Return the account of what a node took for its work."""
    return f"spent:{node}"


def lost_account(node: str) -> str:
    """Return the account of what went to a node and will not come back."""
    return f"lost:{node}"
