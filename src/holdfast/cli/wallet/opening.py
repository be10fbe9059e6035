"""Open the wallet that the verbs work with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.app.wallets import open_wallet, wallet_path
from holdfast.cli.output import iso
from holdfast.errors import UsageError
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.routing.ecash.records import Operation
    from holdfast.routing.ecash.wallet import Wallet

T = TypeVar("T")


def with_wallet(settings: Settings, action: Callable[[Wallet], Awaitable[T]]) -> T:
    """Do something with the wallet of the project."""

    async def work() -> T:
        async with open_wallet(settings) as wallet:
            return await action(wallet)

    return asyncio.run(work())


def look_into_wallet(settings: Settings, action: Callable[[Wallet], Awaitable[T]]) -> T | None:
    """Ask the wallet of the project something; None where nobody has made one yet."""
    return with_wallet(settings, action) if has_wallet(settings) else None


def has_wallet(settings: Settings) -> bool:
    """Whether there is a wallet to look into; where there can be none, opening it will tell."""
    path = wallet_path(settings)
    return path is None or path.exists()


def sats_of(text: str) -> int:
    """Return a whole number of sats.

    Raises:
        UsageError: it is none.
    """
    plain = text.replace("_", "")
    if not plain.isascii() or not plain.isdecimal() or not int(plain[:20]):
        raise UsageError(
            f"{text!r} is no amount of sats", hint="give a whole number of at least 1, such as 500"
        )
    return int(plain[:20])


def told(operation: Operation) -> dict[str, Any]:
    """Return an operation for programs, without what is worth money."""
    return {
        "id": operation.id,
        "kind": str(operation.kind),
        "phase": str(operation.phase),
        "amount_sats": operation.amount,
        "mint": operation.mint,
        "node": operation.node or None,
        "at": iso(operation.at_ms),
        "ended_at": iso(operation.ended_ms),
        "message": operation.message or None,
    }
