"""Engines for tests: each one stands for a process of its own on a shared store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from holdfast.clock import Clock, SystemClock
from holdfast.engine.embedded import EmbeddedEngine
from holdfast.engine.seam import Inputs, Observer, Program, RunContext
from holdfast.storage.liveness import Liveness
from holdfast.storage.seam import Store
from holdfast.tasks import Limits
from holdfast.testing.stores import UnbatchedStore
from holdfast.tracing.tracer import SpanSink, Tracer

T = TypeVar("T")


async def nothing() -> None:
    pass


async def ask(context: RunContext, inputs: Inputs) -> object:
    return [await context.wait_for_input("name", "Who?"), inputs]


class Gate:
    """A step that can be seen to have begun and is let go by hand."""

    def __init__(self) -> None:
        self.begun, self.let_go = asyncio.Event(), asyncio.Event()
        self.cancelled = False
        self.runs = 0

    async def step(self) -> str:
        self.runs += 1
        self.begun.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "through"

    async def program(self, context: RunContext, inputs: Inputs) -> object:
        return await context.step("gate", self.step)


def engine_on(
    store: Store,
    programs: Mapping[str, Program],
    *,
    clock: Clock | None = None,
    liveness: Liveness | None = None,
    observer: Observer | None = None,
    lease_seconds: float = 15.0,
    concurrency: int = 40,
    adopt: bool = False,
    limits: Limits | None = None,
    sink: SpanSink | None = None,
) -> EmbeddedEngine:
    """Return an engine with a tracer of its own, whose spans go to `sink`."""
    clock = clock or SystemClock()
    return EmbeddedEngine(
        store,
        programs,
        clock=clock,
        tracer=Tracer(clock=clock, sink=sink),
        liveness=liveness,
        observer=observer,
        lease_seconds=lease_seconds,
        concurrency=concurrency,
        adopt=adopt,
        limits=limits,
    )


class DeadToTheWorld:
    """A `Liveness` that takes every other process for dead, as after a kill."""

    def announce(self, holder: str) -> None:
        pass

    def retire(self) -> None:
        pass

    def is_dead(self, holder: str) -> bool:
        return True

    def forget(self, holder: str) -> None:
        pass


def kill(engine: EmbeddedEngine) -> None:
    """Stop everything that an engine does, as a kill would: nothing is written any more."""
    for task in (engine._pulse, *engine._drivers.values()):
        if task is not None:
            task.cancel()
    for run in engine._active.values():
        if run.main is not None:
            run.main.cancel()


class YieldingStore(UnbatchedStore):
    """Let others run before each verb, as a store with real I/O does."""

    async def _call(self, verb: str, action: Callable[[], Awaitable[T]]) -> T:
        await asyncio.sleep(0)
        return await action()
