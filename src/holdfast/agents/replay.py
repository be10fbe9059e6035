"""Tell the state of a run from its journal, without running anything."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NoReturn, Self

from holdfast.agents.nodes import Services
from holdfast.agents.run import WorkflowRun, plan_of
from holdfast.agents.workflow import Workflow
from holdfast.engine.history import History
from holdfast.engine.retry import Retry
from holdfast.engine.seam import StepFunction
from holdfast.errors import HoldfastError


class _Unfinished(Exception):
    """The journal does not say how this ended."""


class _ReplayContext:
    """A `RunContext` that only remembers."""

    def __init__(self, history: History, *, prefix: str = "") -> None:
        self.run_id = history.birth.id
        self.definition = b""
        self.origin = history.birth.origin
        self._history = history
        self._prefix = prefix

    async def step(
        self,
        name: str,
        function: StepFunction,  # noqa: ARG002 - never called
        *arguments: object,  # noqa: ARG002
        visit: int | None = None,
        retry: Retry | None = None,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
        once: bool = False,  # noqa: ARG002
    ) -> object:
        done = self._history.steps.get((self._prefix + name, visit or 1))
        if done is None or done.error is not None:
            raise _Unfinished
        return done.result

    async def wait_for_input(
        self,
        key: str,
        prompt: str,  # noqa: ARG002
        schema: Mapping[str, object] | None = None,  # noqa: ARG002
    ) -> object:
        answer = self._history.answers.get(self._prefix + key)
        if answer is None:
            raise _Unfinished
        return answer.value

    async def sleep(self, name: str, seconds: float) -> NoReturn:  # noqa: ARG002
        raise _Unfinished

    def scope(self, name: str) -> Self:
        return type(self)(self._history, prefix=f"{self._prefix}{name}/")


async def variables_of(
    workflow: Workflow, history: History, services: Services
) -> Mapping[str, object]:
    """Return the state fields as the finished nodes left them, joined as at the end."""
    run = WorkflowRun(
        workflow, plan_of(workflow), _ReplayContext(history), history.birth.inputs, services
    )
    ready = deque(run.begin())
    while ready:
        start = ready.popleft()
        try:
            ready.extend(run.finish(start.node, await run.visit(start, run.enter(start))))
        except (_Unfinished, HoldfastError):
            continue  # unfinished, or the very thing that the run failed with
    return run.joined_state()
