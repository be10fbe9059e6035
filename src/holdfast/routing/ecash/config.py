"""What is configured about ecash. Plain records: reading them from a file is `settings`."""

from __future__ import annotations

from holdfast.frozen import frozen


@frozen
class WalletConfig:
    """Mints that are trusted, the usual one first, and relays that are asked for nodes."""

    mints: tuple[str, ...] = ()
    relays: tuple[str, ...] = ()


@frozen
class Prepaid:
    """How a node is paid: `topup_sat` at a time, and never so that it has more than `limit_sat` of ours.

    The limit is what is lost at most when the node vanishes. `mint` is the one that its coins are
    of; empty for the usual one.
    """

    topup_sat: int = 100
    limit_sat: int = 1_000
    mint: str = ""
