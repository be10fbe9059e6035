"""Open what the verbs look into: the router of the project, and its ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from holdfast.app.discovering import prepare_models
from holdfast.app.overseeing import evidence_path, overseeing
from holdfast.app.services import build_router, ledger_path, open_ledger
from holdfast.app.wallets import with_accepted
from holdfast.clock import SystemClock
from holdfast.errors import UsageError
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.routing.checking.kept import KeptEvidence
    from holdfast.routing.dispatching.dispatcher import Dispatcher
    from holdfast.routing.ledger.ledger import Ledger

T = TypeVar("T")
NOTHING_YET = "no model call was logged here yet"
WHO_LEARNS = "it is learned from requests for the model 'auto' under a policy with min_quality"
_WHO_LOGS = "calls of workflows and of `holdfast proxy` are, as soon as there is a provider"


def with_dispatcher(settings: Settings, action: Callable[[Dispatcher], T]) -> T:
    """Look at what would lead requests of this project; no model is asked, and nothing is logged."""
    from holdfast.tracing.tracer import Tracer  # noqa: PLC0415

    clock, settings = SystemClock(), with_accepted(settings)
    tracer = Tracer(clock=clock)

    async def look(ledger: Ledger | None) -> T:
        router = build_router(settings, tracer, clock, ledger=ledger)
        try:
            await prepare_models(settings, router.dispatcher, clock)
            async with overseeing(settings, router, clock, make=False):
                return action(router.dispatcher)
        finally:
            await router.close()

    return with_ledger(settings, look) if _has_ledger(settings) else asyncio.run(look(None))


def with_ledger(settings: Settings, action: Callable[[Ledger], Awaitable[T]]) -> T:
    """Do something with the ledger of the project.

    Raises:
        UsageError: nothing was logged here yet.
    """
    if not _has_ledger(settings):
        raise UsageError(NOTHING_YET, hint=_WHO_LOGS)
    return _with(settings, action)


def look_into_ledger(settings: Settings, action: Callable[[Ledger], Awaitable[T]]) -> T | None:
    """Ask the ledger of the project something; None where nothing was logged yet."""
    return _with(settings, action) if _has_ledger(settings) else None


def _with(settings: Settings, action: Callable[[Ledger], Awaitable[T]]) -> T:
    async def work() -> T:
        async with open_ledger(settings) as ledger:
            assert ledger is not None
            return await action(ledger)

    return asyncio.run(work())


def with_evidence(settings: Settings, action: Callable[[KeptEvidence], Awaitable[T]]) -> T:
    """Do something with what is known of the quality of models.

    Raises:
        UsageError: nothing is known here.
    """
    found = look_into_evidence(settings, action)
    if found is None:
        raise UsageError(
            "nothing is known here of the quality of models",
            hint=WHO_LEARNS,
        )
    return found


def look_into_evidence(
    settings: Settings, action: Callable[[KeptEvidence], Awaitable[T]]
) -> T | None:
    """Ask what is known of the quality of models something; None where nothing is."""
    from holdfast.routing.checking.kept import KeptEvidence  # noqa: PLC0415 - few verbs need it

    path = evidence_path(settings)
    if path is None or not path.exists():
        return None

    async def work() -> T:
        async with KeptEvidence(path, SystemClock()) as kept:
            return await action(kept)

    return asyncio.run(work())


def _has_ledger(settings: Settings) -> bool:
    path = ledger_path(settings)
    return path is not None and path.exists()
