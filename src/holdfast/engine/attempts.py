"""Try a step until it succeeds or there is no point in trying."""

from __future__ import annotations

import asyncio
import json
import random
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from holdfast.clock import Clock
from holdfast.engine.events import as_json
from holdfast.engine.retry import Retry, rest_after
from holdfast.engine.seam import ProgressKind, StepFunction
from holdfast.errors import StepTimeout, describe_error

_PLAIN = (type(None), bool, int, str)


@dataclass(slots=True)
class StepInfo:
    """What a step may know about itself, and what it says about its cost in `meta`."""

    run_id: str
    path: str
    visit: int
    attempt: int = 0
    meta: dict[str, object] = field(default_factory=dict)  # one that is typed takes 0.2 us longer

    @property
    def idempotency_key(self) -> str:
        """Return a key that is the same each time this step is tried, and for no other step."""
        return f"{self.run_id}:{self.path}:{self.visit}"


class StepCall(NamedTuple):
    """A step that is to be run."""

    path: str
    visit: int
    function: StepFunction
    arguments: tuple[object, ...]
    retry: Retry
    timeout: float | None
    once: bool


class Tell(Protocol):
    """Tell an onlooker what happens."""

    def __call__(
        self, kind: ProgressKind, path: str, *, visit: int, message: str = "", seconds: float = 0
    ) -> None: ...


_STEP: ContextVar[StepInfo | None] = ContextVar("holdfast_step", default=None)


def current_step() -> StepInfo | None:
    """Return the step that runs the calling code, None outside a step."""
    return _STEP.get()


async def try_step(
    call: StepCall, info: StepInfo, *, clock: Clock, tell: Tell
) -> tuple[object, dict[str, object] | None]:
    """Return the result of a step, as a replay would, and None; or None and why it failed."""
    token = _STEP.set(info)
    try:
        while True:
            info.attempt += 1
            tell("step_started", call.path, visit=call.visit)
            try:
                if call.timeout is None:
                    result = await call.function(*call.arguments)
                else:
                    result = await _call_within(call, call.timeout)
                return as_replayed(result, call.path), None
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a step raises is its outcome
                rest = rest_after(call.retry, info.attempt, error, random.random())  # noqa: S311
                if rest is None:
                    return None, describe_error(error)
                tell("step_retried", call.path, visit=call.visit, message=str(error), seconds=rest)
            await clock.sleep(rest)
    finally:
        _STEP.reset(token)


async def _call_within(call: StepCall, seconds: float) -> object:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await call.function(*call.arguments)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise StepTimeout(
            f"it took longer than {seconds:g} s", hint="raise the node's timeout"
        ) from error


def as_replayed(result: object, path: str) -> object:
    """Return the result as a replay would, so that a crash cannot change what a program sees."""
    if type(result) in _PLAIN:
        return result
    return json.loads(as_json(result, what=f"the result of {path}"))
