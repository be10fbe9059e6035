"""Open everything that the proxy needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from holdfast.app.discovering import keeping_models
from holdfast.app.overseeing import overseeing
from holdfast.app.services import build_router, learned_of, open_ledger
from holdfast.app.traces import open_tracer, tending
from holdfast.app.wallets import with_accepted
from holdfast.clock import Clock, SystemClock
from holdfast.proxy.limits import RateLimit
from holdfast.proxy.routes import ProxyRoutes
from holdfast.routing.ledger.sweeping import sweeping
from holdfast.routing.providers.learned import catching_up
from holdfast.settings import Settings
from holdfast.web.application import Routes


@asynccontextmanager
async def open_proxy(
    settings: Settings, *, clock: Clock | None = None
) -> AsyncGenerator[Sequence[Routes]]:
    """Open router, ledger and tracer, and give the routes of the proxy."""
    clock, settings = clock or SystemClock(), with_accepted(settings)
    async with AsyncExitStack() as stack:
        tracer = stack.enter_context(open_tracer(settings, clock))
        await stack.enter_async_context(tending(settings, clock))
        ledger = await stack.enter_async_context(open_ledger(settings))
        if ledger is not None:
            await stack.enter_async_context(sweeping(ledger, clock))
        learned = learned_of(settings, clock)
        if learned is not None:
            await stack.enter_async_context(catching_up(learned))
        router = build_router(settings, tracer, clock, ledger=ledger, learned=learned)
        stack.push_async_callback(router.close)
        await stack.enter_async_context(keeping_models(settings, router.dispatcher, clock))
        checker = await stack.enter_async_context(overseeing(settings, router, clock))
        per_minute = settings.proxy and settings.proxy.requests_per_minute
        limit = RateLimit(per_minute, clock) if per_minute else None
        yield [ProxyRoutes(router.dispatcher, limit, checker)]
