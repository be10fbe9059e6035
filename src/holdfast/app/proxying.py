"""Open everything that the proxy needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from holdfast.app.services import build_router, open_ledger
from holdfast.app.traces import open_tracer
from holdfast.clock import SystemClock
from holdfast.proxy.limits import RateLimit
from holdfast.proxy.routes import ProxyRoutes
from holdfast.settings import Settings
from holdfast.web.application import Routes


@asynccontextmanager
async def open_proxy(settings: Settings) -> AsyncGenerator[Sequence[Routes]]:
    """Open router, ledger and tracer, and give the routes of the proxy."""
    clock = SystemClock()
    with open_tracer(settings, clock) as tracer:
        async with open_ledger(settings) as ledger:
            router = build_router(settings, tracer, clock, ledger=ledger)
            try:
                per_minute = settings.proxy and settings.proxy.requests_per_minute
                limit = RateLimit(per_minute, clock) if per_minute else None
                yield [ProxyRoutes(router.dispatcher, limit)]
            finally:
                await router.close()
