"""Run a program with nothing journaled: for trying out, and for tests of programs.

The same program, retries and time limits as with an engine, but a crash loses everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Self

from holdfast.clock import Clock
from holdfast.engine.attempts import StepCall, StepInfo, try_step
from holdfast.engine.context import Names
from holdfast.engine.retry import ONE_TRY, Retry
from holdfast.engine.seam import ProgressKind, StepFunction
from holdfast.errors import ProgramError, StepFailed
from holdfast.ids import new_run_id

Answer = Callable[[str, str], Awaitable[object]]
"""Answers the question with this key and prompt."""


async def nobody(key: str, prompt: str) -> object:
    """Refuse to answer."""
    raise ProgramError(f"the program asks {key!r} ({prompt}) and there is nobody to answer")


class EphemeralContext:
    """A `RunContext` that remembers nothing. `answer` stands in for people."""

    def __init__(
        self,
        *,
        clock: Clock,
        definition: bytes = b"",
        origin: str = "",
        answer: Answer = nobody,
        scope_of: EphemeralContext | None = None,
        prefix: str = "",
    ) -> None:
        self.run_id = scope_of.run_id if scope_of else str(new_run_id())
        self.definition = definition
        self.origin = origin
        self._clock = clock
        self._answer = answer
        self._prefix = prefix
        self.names: Names = scope_of.names if scope_of else Names()

    async def step(
        self,
        name: str,
        function: StepFunction,
        *arguments: object,
        visit: int | None = None,
        retry: Retry = ONE_TRY,
        timeout: float | None = None,
        once: bool = False,
    ) -> object:
        path = self._prefix + name
        number = self.names.begin(path) if visit is None else visit
        try:
            call = StepCall(
                path=path, visit=number, function=function, arguments=arguments, retry=retry,
                timeout=timeout, once=once,
            )  # fmt: skip
            info = StepInfo(self.run_id, path, number)
            result, error = await try_step(call, info, clock=self._clock, tell=_tell_nobody)
        finally:
            if visit is None:
                self.names.end(path)
        if error is not None:
            raise StepFailed(path, error)
        return result

    async def sleep(self, name: str, seconds: float) -> None:  # noqa: ARG002 - the seam's name
        await self._clock.sleep(seconds)

    async def wait_for_input(
        self,
        key: str,
        prompt: str,
        schema: Mapping[str, object] | None = None,  # noqa: ARG002 - the seam's name
    ) -> object:
        return await self._answer(self._prefix + key, prompt)

    def scope(self, name: str) -> Self:
        return type(self)(
            clock=self._clock,
            definition=self.definition,
            origin=self.origin,
            answer=self._answer,
            scope_of=self,
            prefix=f"{self._prefix}{name}/",
        )


def _tell_nobody(
    kind: ProgressKind, path: str, *, visit: int, message: str = "", seconds: float = 0
) -> None:
    pass
