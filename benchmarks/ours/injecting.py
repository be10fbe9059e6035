"""Runs of agents in which one thing goes wrong, and which span that is.

Real coroutines under a real tracer and a clock that is turned by hand: what goes wrong is raised,
swallowed, retried, cancelled and timed out by the code below, never written into spans afterwards.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.ours.speaking import Speech
from holdfast.frozen import replace
from holdfast.testing.clock import ManualClock
from holdfast.tracing.kept import Kept
from holdfast.tracing.span import Span
from holdfast.tracing.tracer import ActiveSpan, Tracer

RUN = "5" * 32
Work = Callable[["World"], Awaitable[object]]


class RateLimitError(Exception):
    """As model clients call it."""


class BadRequestError(Exception):
    """As model clients call it."""


class AuthenticationError(Exception):
    """As model clients call it."""


class OperationalError(Exception):
    """As databases call it."""


class ValidationError(Exception):
    """As libraries that check arguments call it."""


class ApprovalRejected(Exception):
    """A person said no."""


class WorkflowFailed(Exception):
    """What frameworks wrap around all that went wrong."""


class Killed(BaseException):
    """The process is gone: nobody catches this, and no span ends by it."""


@dataclass(slots=True, kw_only=True)
class Plan:
    """What goes wrong: the name of the fault, and at which operation of those that it may hit."""

    fault: str = ""
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
        if role not in FAULTS[self.plan.fault].roles:
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
        fault = FAULTS[self.plan.fault] if self.hit(role) else None
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


def _raising(make: Callable[[], BaseException]) -> Inside:
    async def inside(*_: object) -> tuple[object, str]:
        raise make()

    return inside


def _answering(change: Callable[[object], object], finish: str = "stop") -> Inside:
    async def inside(_: World, usual: object) -> tuple[object, str]:
        return change(usual), finish

    return inside


def _tried(times: int, make: Callable[[], Exception], *, works_at_last: bool) -> Around:
    async def around(
        world: World, role: str, name: str, arguments: object, usual: object
    ) -> object:
        failing = Fault(roles=frozenset({role}), inside=_raising(make))
        for number in range(times):
            try:
                return await world.attempt(role, name, arguments, usual, failing)
            except Exception:
                if number == times - 1 and not works_at_last:
                    raise
                await world.clock.sleep(0.5 * 2**number)
        return await world.attempt(role, name, arguments, usual)

    return around


def _swallowing(make: Callable[[], Exception], instead: object = "unknown") -> Around:
    async def around(
        world: World, role: str, name: str, arguments: object, usual: object
    ) -> object:
        try:
            return await world.attempt(
                role, name, arguments, usual, Fault(roles=frozenset({role}), inside=_raising(make))
            )
        except Exception:  # noqa: BLE001 - what many an application does
            return instead

    return around


async def _hang(world: World, role: str, name: str, arguments: object, usual: object) -> object:
    async def inside(world: World, usual: object) -> tuple[object, str]:
        await world.clock.sleep(3600)
        return usual, "stop"

    fault = Fault(roles=frozenset({role}), inside=inside)
    return await world.within(30, world.attempt(role, name, arguments, usual, fault))


async def _die(world: World, _: object) -> tuple[object, str]:
    world.dead = frozenset(span.span_id for span in world.kept.open)
    world.dead_ns = world.clock.now_ms() * 1_000_000
    raise Killed


async def _called_off(*_: object) -> tuple[object, str]:
    raise asyncio.CancelledError


async def _repeat(world: World, role: str, name: str, arguments: object, usual: object) -> object:
    found: object = usual
    quiet = Fault(roles=frozenset({role}))
    for _ in range(world.random.randint(5, 9)):
        with world.step("turn"):
            await world.attempt(
                "model", "assistant", f"again {world.random.random()}", "I will look"
            )
            found = await world.attempt(role, name, arguments, usual, quiet)
    return found


async def _repeat_to_limit(
    world: World, role: str, name: str, arguments: object, usual: object
) -> object:
    await _repeat(world, role, name, arguments, usual)
    raise RecursionError("maximum number of turns (12) reached without an answer")


async def _drag(world: World, usual: object) -> tuple[object, str]:
    await world.clock.sleep(world.random.uniform(40, 80))
    return usual, "stop"


async def _wrapped(world: World, role: str, name: str, arguments: object, usual: object) -> object:
    fault = Fault(
        roles=frozenset({role}), inside=_raising(lambda: ConnectionError("cannot connect"))
    )
    try:
        return await world.attempt(role, name, arguments, usual, fault)
    except ConnectionError as error:
        raise WorkflowFailed(f"{name} could not be done") from error


def _cut(value: object) -> object:
    text = str(value)
    return text[: max(3, len(text) * 2 // 3)]


def _garble(value: object) -> object:
    text = str(value)
    return text.replace(":", "", 1) if text.startswith("{") else '{"answer" 17'


_CALLS = frozenset({"model", "tool", "search", "database", "http"})
_JSON = frozenset({"json"})
FAULTS: dict[str, Fault] = {
    "": Fault(roles=frozenset()),
    "rate limit": Fault(
        roles=frozenset({"model"}),
        around=_tried(3, lambda: RateLimitError("Error code: 429 - too many requests"), works_at_last=False),
    ),
    "timeout": Fault(roles=_CALLS, around=_hang),
    "cancelled": Fault(roles=frozenset({"model", "tool", "search", "database"}), inside=_called_off),
    "swallowed": Fault(
        roles=frozenset({"tool", "search", "http"}),
        around=_swallowing(lambda: ConnectionError("connection refused")),
    ),
    "swallowed, then missing": Fault(
        roles=frozenset({"search"}), around=_swallowing(lambda: OSError("index is gone"), instead=None)
    ),
    "retry storm": Fault(
        roles=_CALLS, around=_tried(6, lambda: ConnectionError("connection reset"), works_at_last=True)
    ),
    "retry storm to the end": Fault(
        roles=_CALLS, around=_tried(8, lambda: ConnectionError("connection reset"), works_at_last=False)
    ),
    "loop": Fault(roles=frozenset({"tool", "search"}), around=_repeat),
    "loop to the limit": Fault(roles=frozenset({"tool", "search"}), around=_repeat_to_limit),
    "cut off": Fault(roles=_JSON, inside=_answering(_cut, "length")),
    "cut off unnoticed": Fault(roles=frozenset({"model"}), inside=_answering(_cut, "length")),
    "context overflow": Fault(
        roles=frozenset({"model", "json"}),
        inside=_raising(lambda: BadRequestError(
            "Error code: 400 - This model's maximum context length is 128000 tokens")),
    ),
    "slow branch": Fault(roles=_CALLS, inside=_drag),
    "bad JSON": Fault(roles=_JSON, inside=_answering(_garble)),
    "filtered": Fault(roles=_JSON, inside=_answering(lambda _: "", "content_filter")),
    "empty result": Fault(roles=frozenset({"search"}), inside=_answering(lambda _: [])),
    "wrong key": Fault(
        roles=frozenset({"model", "tool"}),
        inside=_raising(lambda: AuthenticationError("Error code: 401 - invalid api key")),
    ),
    "network": Fault(
        roles=frozenset({"http", "search"}), inside=_raising(lambda: ConnectionError("connection refused"))
    ),
    "database": Fault(
        roles=frozenset({"database"}), inside=_raising(lambda: OperationalError("database is locked"))
    ),
    "bad arguments": Fault(
        roles=frozenset({"tool"}), inside=_raising(lambda: ValidationError("'to' is a required property"))
    ),
    "wrapped": Fault(roles=_CALLS, around=_wrapped),
    "full disk": Fault(
        roles=frozenset({"database", "tool"}), inside=_raising(lambda: OSError(28, "No space left on device"))
    ),
    "said no": Fault(
        roles=frozenset({"human"}), inside=_raising(lambda: ApprovalRejected("rejected by the reviewer"))
    ),
    "killed": Fault(roles=_CALLS, inside=_die),
    "bug": Fault(roles=frozenset({"step"}), inside=_raising(lambda: KeyError("total"))),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A trace in which one thing went wrong, and the ids of the spans that are it."""

    fault: str
    shape: str
    speech: str
    spans: Sequence[Span]
    guilty: frozenset[str]


def inject(fault: str, shape: str, work: Work, *, speech: Speech, seed: int) -> Injected | None:
    """Run an application with a fault in it; None if it has no place for this one."""
    counted = Plan(fault=fault)
    asyncio.run(_run(World(counted, speech, random.Random(seed)), work))
    if not counted.eligible:
        return None
    target = random.Random(f"{fault} {shape} {seed}").randrange(counted.eligible)
    world = World(Plan(fault=fault, target=target), speech, random.Random(seed))
    asyncio.run(_run(world, work))
    if not world.guilty:
        return None
    return Injected(
        fault=fault,
        shape=shape,
        speech=speech.name,
        spans=_spans(world),
        guilty=frozenset(world.guilty),
    )


async def _run(world: World, work: Work) -> None:
    async def whole() -> None:
        kind, title, attributes = world.speech.began("run", "answer", None)
        with world.tracer.span(title, kind=kind, trace_id=RUN, **attributes):
            await work(world)

    task = asyncio.ensure_future(whole())
    while not task.done():
        await world.clock.run(1000)
    error = task.exception() if not task.cancelled() else None
    if error is not None and not isinstance(error, Exception) and not world.dead:
        raise error


def _spans(world: World) -> Sequence[Span]:
    """Return the spans; of a killed process all that were open when it went are lost."""
    spans = [_as_told(span, world.random) for span in world.kept.spans]
    if not world.dead:
        return spans
    return [
        replace(
            span, status="lost", error="", events=(), duration_ns=world.dead_ns - span.start_ns
        ) if span.span_id in world.dead else span
        for span in spans
        if span.start_ns <= world.dead_ns
    ]  # fmt: skip


def _as_told(span: Span, chance: random.Random) -> Span:
    """Return a span as ours tells of an exception, as OpenTelemetry does, or with a line alone."""
    how = chance.choice(("ours", "standard", "line"))
    if how == "ours" or not span.events:
        return span
    if how == "line":
        return replace(span, events=())
    events = [
        replace(event, attributes={
            key: value for key, value in event.attributes.items()
            if key in {"exception.type", "exception.message", "exception.stacktrace"}
        })
        for event in span.events
    ]  # fmt: skip
    return replace(span, events=events)


def parsed(world: World, text: object) -> object:
    """Read what a model said as JSON, in a span of its own."""
    kind, title, attributes = world.speech.began("step", "parse", None)
    with world.tracer.span(title, kind=kind, **attributes):
        return json.loads(str(text))
