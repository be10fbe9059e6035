"""What is configured about ecash. Plain records: reading them from a file is `settings`."""

from __future__ import annotations

from holdfast.frozen import frozen


@frozen
class WalletConfig:
    """Mints that are trusted, the usual one first, and relays that are asked for nodes."""

    mints: tuple[str, ...] = ()
    relays: tuple[str, ...] = ()
