"""Read what is said about the wallet."""

from __future__ import annotations

from urllib.parse import urlsplit

from holdfast.routing.ecash.config import WalletConfig
from holdfast.settings.reader import Section
from holdfast.settings.values import as_address, as_names


def read_wallet(section: Section) -> WalletConfig:
    """Return the mints that are trusted, and the relays that are asked."""
    chosen = WalletConfig(
        mints=section.take("mints", as_mints, ()), relays=section.take("relays", as_relays, ())
    )
    section.refuse_rest()
    return chosen


def as_mint(value: object) -> str:
    """Return the address of a mint."""
    try:
        return as_address(value)
    except ValueError:
        raise ValueError("must be an address such as 'https://mint.example.com'") from None


def as_mints(value: object) -> tuple[str, ...]:
    """Return addresses of mints."""
    return tuple(map(as_mint, as_names(value)))


def as_relays(value: object) -> tuple[str, ...]:
    """Return addresses of relays."""
    relays = as_names(value)
    for each in relays:
        parts = urlsplit(each)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError("must be addresses such as 'wss://relay.example.com'")
    return relays
