"""Wallets for tests, and processes that die at a chosen moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from holdfast.clock import SystemClock
from holdfast.routing.ecash.checking import faults_of
from holdfast.routing.ecash.records import State
from holdfast.routing.ecash.wallet import Wallet
from holdfast.routing.ecash.web import Reply, Web


class Killed(BaseException):
    """The process died: nothing below may catch it and go on."""


class DyingWeb(Web):
    """Connections of a process that dies at its request of this number, counted from 0.

    `arrives` says whether the request is made before: then the answer is what gets lost. Only what can
    change something is counted.
    """

    def __init__(self, at: int, *, arrives: bool) -> None:
        super().__init__()
        self.left = at
        self._arrives = arrives

    async def ask(self, url: str, **more: object) -> Reply:
        changes = url.endswith(("/v1/swap", "/v1/mint/bolt11")) or "/balance/" in url
        if not changes:
            return await super().ask(url, **more)  # type: ignore[arg-type]
        self.left -= 1
        if self.left >= 0:
            return await super().ask(url, **more)  # type: ignore[arg-type]
        if self._arrives:
            await super().ask(url, **more)  # type: ignore[arg-type]
        raise Killed


class ChangingWeb(Web):
    """Connections whose answers are changed on their way: `change` gets the address and the answer.

    What was sent is kept in `sent`, by the end of its address.
    """

    def __init__(self, change: Callable[[str, Reply], Reply] = lambda _, reply: reply) -> None:
        super().__init__()
        self._change = change
        self.sent: list[tuple[str, Any]] = []

    async def ask(self, url: str, **more: object) -> Reply:
        self.sent.append((url, more.get("json")))
        return self._change(url, await super().ask(url, **more))  # type: ignore[arg-type]


@asynccontextmanager
async def wallet_of(
    folder: Path, mint: str, *, name: str = "wallet", web: Web | None = None
) -> AsyncIterator[Wallet]:
    """Open a wallet of a folder."""
    path = folder / f"{name}.db"
    async with Wallet(path, mints=[mint], clock=SystemClock(), web=web) as wallet:
        yield wallet


async def fill(wallet: Wallet, amount: int) -> None:
    """Put sats into a wallet."""
    asked = await wallet.invoice(amount)
    assert (await wallet.claim(asked.id)).phase == "done"


async def assert_sound(wallet: Wallet) -> None:
    """Check that the accounts come to nothing, and that the mint takes every coin for good."""
    assert faults_of(wallet) == []
    assert sum(wallet.store.accounts().values()) == 0
    for url in wallet.mints:
        coins = wallet.store.coins(url, State.OURS)
        states = await wallet.exchange.mint(url).states(coins) if coins else []
        assert set(states) <= {"UNSPENT"}


def sats(wallet: Wallet) -> int:
    """Return what the wallet can spend."""
    return sum(e.amount for e in wallet.store.holdings() if e.state is State.OURS)


def in_sats(accounts: Mapping[str, int]) -> dict[str, int]:
    """Return accounts in sats, which they must be whole of."""
    assert all(msat % 1000 == 0 for msat in accounts.values())
    return {name: msat // 1000 for name, msat in accounts.items() if msat}
