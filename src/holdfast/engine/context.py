"""What the embedded engine gives a program: names in, remembered or fresh results out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from holdfast.engine.active import ActiveRun
from holdfast.engine.attempts import StepCall
from holdfast.engine.retry import ONE_TRY, Retry
from holdfast.engine.seam import StepFunction
from holdfast.errors import ProgramError
from holdfast.tasks.events import InputRequested


class Names:
    """Which visit of a path is next, and which paths are under way."""

    def __init__(self) -> None:
        self.visits: dict[str, int] = {}
        self.under_way: set[str] = set()

    def begin(self, path: str) -> int:
        """Return the next visit of `path`.

        Raises:
            ProgramError: the last one is still under way.
        """
        if path in self.under_way:
            raise ProgramError(
                f"two calls of the step {path!r} are under way at once, so a replay could not "
                "tell them apart",
                hint="give each branch its own scope(), or pass visit=",
            )
        self.under_way.add(path)
        self.visits[path] = visit = self.visits.get(path, 0) + 1
        return visit

    def end(self, path: str) -> None:
        self.under_way.discard(path)


class EmbeddedContext:
    """A `RunContext` over an active run; a scope is one of these with a longer prefix."""

    def __init__(self, run: ActiveRun, *, prefix: str = "", names: Names | None = None) -> None:
        self._run = run
        self._prefix = prefix
        self._names = Names() if names is None else names

    @property
    def run_id(self) -> str:
        return self._run.run_id

    @property
    def definition(self) -> bytes:
        return self._run.definition

    @property
    def origin(self) -> str:
        return self._run.journal.history.birth.origin

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
        number = self._names.begin(path) if visit is None else visit
        try:
            done = self._run.journal.history.steps.get((path, number))
            if done is not None:
                self._run.tell("step_remembered", path, visit=number)
                return self._run.remember(done)
            call = StepCall(path, number, function, arguments, retry, timeout, once)
            return await self._run.run_step(call)
        finally:
            if visit is None:
                self._names.end(path)

    async def sleep(self, name: str, seconds: float) -> None:
        path = self._prefix + name
        visit = self._names.begin(path)
        try:
            await self._run.sleep_until(path, visit, seconds)
        finally:
            self._names.end(path)

    async def wait_for_input(
        self, key: str, prompt: str, schema: Mapping[str, object] | None = None
    ) -> object:
        request = InputRequested(
            at=self._run.clock.now_ms(), key=self._prefix + key, prompt=prompt, schema=schema or {}
        )
        return await self._run.wait_for(request)

    def scope(self, name: str) -> Self:
        return type(self)(self._run, prefix=f"{self._prefix}{name}/", names=self._names)
