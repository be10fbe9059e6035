"""An application's world: calls under a real tracer and a clock that is turned by hand.

Real coroutines: what goes wrong is raised, swallowed, retried, cancelled and timed out by the code
here and in `injecting`, never written into spans afterwards.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from benchmarks.ours.speaking import Speech
from holdfast.testing.clock import ManualClock
from holdfast.tracing.kept import Kept
from holdfast.tracing.tracer import ActiveSpan, Tracer


@dataclass(slots=True, kw_only=True)
class Plan:
    """What goes wrong, and at which operation of those that it may hit."""

    fault: Fault
    target: int = -1
    eligible: int = 0
    """How many operations the fault might have hit: counted in a run without a target."""


@dataclass(slots=True)
class World:
    """What an application runs in: it speaks one convention, and something goes wrong in it."""

    plan: Plan
    speech: Speech
    random: random.Random
    clock: ManualClock = field(default_factory=ManualClock)
    kept: Kept = field(default_factory=Kept)
    guilty: set[str] = field(default_factory=set[str])
    noise: float = 0.15
    tracer: Tracer = field(init=False)
    dead_ns: int = 0
    dead: frozenset[str] = frozenset()
    """The spans that were open when the process was killed, and when that was."""

    def __post_init__(self) -> None:
        self.tracer = Tracer(clock=self.clock, sink=self.kept)

    def hit(self, role: str) -> bool:
        """Tell whether the fault is to happen at this operation."""
        if role not in self.plan.fault.roles:
            return False
        self.plan.eligible += 1
        return self.plan.eligible - 1 == self.plan.target

    async def pause(self, seconds: float) -> None:
        """Let time go by: about so many seconds, as calls do."""
        await self.clock.sleep(seconds * self.random.lognormvariate(0, 0.4))

    def step(self, name: str) -> ActiveSpan:
        """Begin a step of the application."""
        kind, title, attributes = self.speech.began("step", name, None)
        return self.tracer.span(title, kind=kind, **attributes)

    async def call(self, role: str, name: str, arguments: object, usual: object) -> object:
        """Do an operation that takes its time and gives `usual`, in spite of a failure or two."""
        fault = self.plan.fault if self.hit(role) else None
        if fault is not None and fault.around is not None:
            return await fault.around(self, role, name, arguments, usual)
        if fault is None and role != "step" and self.random.random() < self.noise:
            await self._failed_once(role, name, arguments)
        return await self.attempt(role, name, arguments, usual, fault)

    async def _failed_once(self, role: str, name: str, arguments: object) -> None:
        try:
            with self.open(role, name, arguments):
                await self.pause(0.3)
                raise ConnectionResetError("connection reset by peer")
        except ConnectionResetError:
            await self.clock.sleep(0.2)

    def open(self, role: str, name: str, arguments: object) -> ActiveSpan:
        """Begin the span of one try."""
        kind, title, attributes = self.speech.began(role, name, arguments)
        return self.tracer.span(title, kind=kind, **attributes)

    async def attempt(
        self, role: str, name: str, arguments: object, usual: object, fault: Fault | None = None
    ) -> object:
        """Do an operation once; if something is to go wrong in it, it does."""
        with self.open(role, name, arguments) as span:
            if fault is not None and fault.inside is None:
                self.guilty.add(span.span_id)
            if role == "tool" and name.startswith("send"):
                await self.call("http", "POST /messages", "https://example.org/messages", 202)
            await self.pause(1.2 if role == "model" else 0.3)
            finish = "stop"
            if fault is not None and fault.inside is not None:
                self.guilty.add(span.span_id)
                usual, finish = await fault.inside(self, usual)
            span.set(**self.speech.ended(role, usual, finish))
            return usual

    async def within(self, seconds: float, work: Awaitable[object]) -> object:
        """Wait for work so long, then cancel it.

        Raises:
            TimeoutError: it was not done by then.
        """
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self.clock.sleep(seconds))
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        raise TimeoutError(f"not done within {seconds} seconds")


Inside = Callable[[World, object], Awaitable[tuple[object, str]]]
Around = Callable[[World, str, str, object, object], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong: in which roles, and by what, inside a span or around several."""

    roles: frozenset[str]
    inside: Inside | None = None
    around: Around | None = None
    shapes: frozenset[str] = frozenset({"pipeline", "agent", "fan_out", "delegation"})
