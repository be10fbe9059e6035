"""The engine seam: what a program may do, and what can be done with runs.

A *program* is an async function of a `RunContext` and its inputs. All its effects go through the
context; everything else in it must be pure, because after a crash it is run again from the top
and gets the remembered results of the steps that had finished. It must not read time, random
numbers or the environment outside a step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self

from holdfast.engine.history import History
from holdfast.engine.retry import Retry
from holdfast.tasks.summaries import Summary

Inputs = Mapping[str, object]
StepFunction = Callable[..., Awaitable[object]]


class RunContext(Protocol):
    """What a program is given. Paths name steps; a name is unique within its scope."""

    @property
    def run_id(self) -> str: ...

    @property
    def definition(self) -> bytes:
        """What the run was started with for its program to interpret; may be empty."""
        ...

    @property
    def origin(self) -> str:
        """Where the definition was read from, for instance the path of a file."""
        ...

    async def step(
        self,
        name: str,
        function: StepFunction,
        *arguments: object,
        visit: int | None = None,
        retry: Retry = ...,
        timeout: float | None = None,
        once: bool = False,
    ) -> object:
        """Return the result of `function(*arguments)`, which is run at most until it has finished.

        The result is journaled before it is returned and must be made of JSON's types; what is
        returned is what a replay would return. An error that outlives the retries is journaled
        and raised too. `visit` tells repeated calls with one name apart and is counted if not
        given; then two calls with the same name must not be under way at once. `timeout` is in
        seconds, of one try. With `once`, a crash during the step asks a person what to do instead
        of running it again.
        """
        ...

    async def sleep(self, name: str, seconds: float) -> None:
        """Return `seconds` after the first time this was reached, crashes or not."""
        ...

    async def wait_for_input(
        self, key: str, prompt: str, schema: Mapping[str, object] | None = None
    ) -> object:
        """Return the answer to `prompt`; may take days and costs nothing while it waits.

        `key` is unique for the life of the run. `schema` is a JSON Schema of the answer.
        """
        ...

    def scope(self, name: str) -> Self:
        """Return a context whose names lie below `name`, for a branch that runs in parallel."""
        ...


Program = Callable[[RunContext, Inputs], Awaitable[object]]

ProgressKind = Literal[
    "step_started", "step_finished", "step_failed", "step_remembered", "step_retried",
    "input_requested", "text",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Something that an onlooker may want to see now. Never needed to get a result."""

    run_id: str
    kind: ProgressKind
    path: str
    visit: int = 1
    message: str = ""
    seconds: float = 0.0
    meta: Mapping[str, object] = field(default_factory=dict[str, object])


Observer = Callable[[Progress], None]


class Engine(Protocol):
    """Runs programs so that what has finished stays finished."""

    async def start(
        self,
        program: str,
        inputs: Inputs,
        *,
        name: str = "",
        definition: bytes = b"",
        origin: str = "",
        timeout: float | None = None,
    ) -> str:
        """Create a run, begin to work on it and return its id; it is durable by then."""
        ...

    async def resume(self, run_id: str, *, definition: bytes | None = None) -> None:
        """Take a run over and go on with it, with another definition if one is given.

        Raises:
            RunNotFound: no such run.
            RunBusy: a live process holds it.
            RunConflict: it has ended.
        """
        ...

    async def fork(
        self, run_id: str, *, keep: Callable[[str], bool], definition: bytes | None = None
    ) -> str:
        """Start a new run with what another has finished, and return its id.

        Steps that succeeded, and answers, are remembered if `keep` says so of their path; their
        cost stays with the run that paid it. The other run is left as it is.
        """
        ...

    async def settle(self, run_id: str) -> History:
        """Return when this process does not work on the run any more: ended, or waiting."""
        ...

    async def answer(self, run_id: str, key: str, value: object, *, by: str = "") -> History:
        """Answer an open request durably. Whoever works on the run goes on; nobody is started."""
        ...

    async def cancel(self, run_id: str, *, by: str = "") -> History:
        """Call a run off, reaching into the step that runs, and return how it stands then."""
        ...

    async def history(self, run_id: str) -> History:
        """Return everything about a run."""
        ...

    async def find(self, prefix: str) -> str:
        """Return the one id that starts with `prefix`.

        Raises:
            RunNotFound: none does, or several do; the message lists some.
        """
        ...

    async def list_runs(self, *, limit: int) -> Sequence[Summary]:
        """Return the newest runs, newest first."""
        ...

    async def recover(self) -> Sequence[str]:
        """Take over every run whose process has died; return their ids."""
        ...
