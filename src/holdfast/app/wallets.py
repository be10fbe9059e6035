"""Open the wallet of a project."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.app.places import faces_folder
from holdfast.clock import Clock, SystemClock
from holdfast.errors import UsageError
from holdfast.frozen import replace
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.routing.config import ProviderConfig
    from holdfast.routing.ecash.prepaying import Prepaying
    from holdfast.routing.ecash.wallet import Wallet
    from holdfast.routing.ledger.ledger import Ledger
    from holdfast.routing.providers.learned import Learned
    from holdfast.routing.seam import Provider
    from holdfast.tracing.billing.money import Exchange


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
    async with wallet_of(settings, clock or SystemClock()) as wallet:
        yield wallet


def wallet_of(settings: Settings, clock: Clock) -> Wallet:
    """Return the wallet of a project, for the caller to close.

    Raises:
        UsageError: as above.
    """
    from holdfast.routing.ecash.config import WalletConfig  # noqa: PLC0415 - few projects have one
    from holdfast.routing.ecash.wallet import Wallet  # noqa: PLC0415 - needs an extra

    path = wallet_path(settings)
    if path is None:
        raise UsageError(
            "a store in memory is no place for money", hint="use another store: see --store"
        )
    config = settings.wallet or WalletConfig()
    return Wallet(path, mints=config.mints, clock=clock)


def with_accepted(settings: Settings) -> Settings:
    """Return settings with the nodes that a person accepted among the providers."""
    path = wallet_path(settings)
    if path is None or not path.exists():
        return settings
    from holdfast.routing.config import Prepaid, ProviderConfig  # noqa: PLC0415 - with a wallet
    from holdfast.routing.ecash.store import WalletStore  # noqa: PLC0415 - as above

    store = WalletStore(path, SystemClock())
    try:
        accepted = [each for each in store.found() if each.accepted]
    finally:
        store.close()
    names = {each.name for each in settings.providers}
    more = [
        ProviderConfig(
            name=each.accepted,
            base_url=each.url,
            kind="routstr",
            prepaid=Prepaid(topup_sat=each.topup_sat, limit_sat=each.limit_sat),
            auto_discover=True,
        )
        for each in accepted
        if each.accepted not in names
    ]
    return replace(settings, providers=(*settings.providers, *more)) if more else settings


def nodes_of(settings: Settings) -> Sequence[ProviderConfig]:
    """Return the nodes that the project pays."""
    every = with_accepted(settings).providers
    return [each for each in every if each.prepaid is not None]


def node_named(settings: Settings, name: str) -> ProviderConfig:
    """Return the node of a name.

    Raises:
        UsageError: there is none.
    """
    nodes = {each.name: each for each in nodes_of(settings)}
    if name not in nodes:
        raise UsageError(
            f"there is no node {name!r}",
            hint=f"nodes: {', '.join(nodes) or 'none'}. A node is a table [providers.NAME] with "
            'kind = "routstr" in holdfast.toml',
        )
    return nodes[name]


def node_with_money(settings: Settings, name: str) -> ProviderConfig:
    """Return the node of a name, also one that is not to be paid any more and has money still.

    Raises:
        UsageError: there is none.
    """
    path = wallet_path(settings)
    if path is None or not path.exists() or name in {each.name for each in nodes_of(settings)}:
        return node_named(settings, name)
    from holdfast.routing.config import Prepaid, ProviderConfig  # noqa: PLC0415 - with a wallet
    from holdfast.routing.ecash.store import WalletStore  # noqa: PLC0415 - as above

    store = WalletStore(path, SystemClock())
    try:
        known = store.node(name)
    finally:
        store.close()
    if known is None or not known.key:
        return node_named(settings, name)
    return ProviderConfig(name=name, base_url=known.url, kind="routstr", prepaid=Prepaid())


def prepaying_of(wallet: Wallet, config: ProviderConfig, ledger: Ledger | None) -> Prepaying:
    """Return the balance at a node."""
    from holdfast.routing.ecash.prepaying import Prepaying  # noqa: PLC0415 - needs an extra

    assert config.prepaid is not None
    return Prepaying(wallet, config.name, config.base_url, config.prepaid, book=ledger)


def paid_provider(
    settings: Settings,
    config: ProviderConfig,
    clock: Clock,
    ledger: Ledger | None,
    money: Exchange | None,
    learned: Learned | None = None,
) -> Provider:
    """Return what asks a node and pays it; its wallet is opened when it is needed."""
    from holdfast.routing.ecash.provider import PaidProvider  # noqa: PLC0415 - few projects pay
    from holdfast.routing.ecash.purse import Purse  # noqa: PLC0415 - as above

    assert config.prepaid is not None
    purse = Purse(
        config.name,
        config.prepaid,
        lambda: prepaying_of(wallet_of(settings, clock), config, ledger),
    )
    return PaidProvider(config, purse, clock=clock, money=money, learned=learned)
