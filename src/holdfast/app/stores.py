"""Open the store for commands that need no engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from holdfast.app.places import existing_address, local_path, store_exists
from holdfast.clock import SystemClock
from holdfast.settings import Settings
from holdfast.storage.opening import open_store
from holdfast.storage.seam import Store

if TYPE_CHECKING:
    from holdfast.engine.holders import Holder
    from holdfast.storage.liveness import Liveness

T = TypeVar("T")


def open_only_store(settings: Settings, *, make: bool = False, at_once: bool = False) -> Store:
    """Return the store of the settings, to be opened by the caller; for commands without an engine.

    Without `make` a store that does not exist is not made: then it is an empty one. With `at_once`
    it does without an event loop if it can; `run_on` knows.
    """
    address = settings.store if make else existing_address(settings)
    return open_store(address, clock=SystemClock(), ack=settings.ack, at_once=at_once)


def run_on(store: Store, action: Callable[[Store], Awaitable[T]]) -> T:
    """Open a store, do something with it, and close it: in an event loop if it needs one."""

    async def act() -> T:
        async with store:
            return await action(store)

    if getattr(store, "is_at_once", False):
        from holdfast.storage.at_once import drive  # noqa: PLC0415

        return drive(act())
    import asyncio  # noqa: PLC0415

    return asyncio.run(act())


def rehearse(settings: Settings, action: Callable[[Store], Awaitable[object]]) -> None:
    """Do something in an empty store first if there is none yet: what fails leaves none behind."""
    if not store_exists(settings):
        run_on(open_only_store(settings, at_once=True), action)


def onlooker(settings: Settings, store: Store) -> Holder:
    """Return what can tell whether other processes are alive; it holds nothing itself."""
    from holdfast.engine.holders import Holder  # noqa: PLC0415

    return Holder(
        store,
        clock=SystemClock(),
        liveness=liveness_for(settings),
        lease_seconds=settings.lease_seconds,
    )


def liveness_for(settings: Settings) -> Liveness:
    """Return lock files beside a store on this machine, else nothing but leases."""
    from holdfast.storage.liveness import LockFiles, NoLiveness  # noqa: PLC0415

    path = local_path(settings)
    return LockFiles(path.parent / "processes") if path else NoLiveness()
