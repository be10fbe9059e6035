"""Faults, and runs of agents in which one of them happens: which spans it is, is known."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from benchmarks.ours.acting import Around, Fault, Inside, Plan, World
from benchmarks.ours.speaking import Speech
from holdfast.frozen import replace
from holdfast.tracing.span import Span

RUN = "5" * 32
Work = Callable[[World], Awaitable[object]]


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
    counted = Plan(fault=FAULTS[fault])
    asyncio.run(_run(World(counted, speech, random.Random(seed)), work))
    if not counted.eligible:
        return None
    target = random.Random(f"{fault} {shape} {seed}").randrange(counted.eligible)
    world = World(Plan(fault=FAULTS[fault], target=target), speech, random.Random(seed))
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
