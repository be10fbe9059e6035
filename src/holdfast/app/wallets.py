"""Open the wallet of a project."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.app.places import faces_folder
from holdfast.clock import Clock, SystemClock
from holdfast.errors import UsageError
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.routing.ecash.wallet import Wallet


def wallet_path(settings: Settings) -> Path | None:
    """Return where the wallet of a project lies, None for a store that is gone with the process."""
    folder = faces_folder(settings)
    return folder / "wallet.db" if folder else None


@asynccontextmanager
async def open_wallet(settings: Settings, clock: Clock | None = None) -> AsyncGenerator[Wallet]:
    """Open the wallet of a project, made when it is missing.

    Raises:
        UsageError: `holdfast[ecash]` is not installed, or the store is gone with the process.
    """
    from holdfast.routing.ecash.config import WalletConfig  # noqa: PLC0415 - needs an extra
    from holdfast.routing.ecash.wallet import Wallet  # noqa: PLC0415 - as above

    path = wallet_path(settings)
    if path is None:
        raise UsageError(
            "a store in memory is no place for money", hint="use another store: see --store"
        )
    config = settings.wallet or WalletConfig()
    async with Wallet(path, mints=config.mints, clock=clock or SystemClock()) as wallet:
        yield wallet
