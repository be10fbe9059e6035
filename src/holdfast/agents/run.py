"""Run a workflow: the program that the engine is given.

The graph (`frontier`) says which nodes may start, `state` what each of them sees, `nodes` what a
node does. This module only drives: it starts nodes as soon as they may start, and routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from holdfast.agents.expressions import evaluate
from holdfast.agents.frontier import Frontier, Start
from holdfast.agents.nodes import Services, run_node
from holdfast.agents.plan import Plan, analyse
from holdfast.agents.state import View, Views, changes_of
from holdfast.agents.templates import Scope, render_argument
from holdfast.agents.workflow import Edge, Reducer, Workflow
from holdfast.engine.seam import Inputs, RunContext
from holdfast.errors import InputError, StepError

Load = Callable[[str, str], Workflow]
"""Make a workflow of a source text and the path that it was read from."""


class WorkflowProgram:
    """The engine's program for workflow files: interprets the definition of the run."""

    def __init__(self, services: Services, load: Load) -> None:
        self._services = services
        self._load = load
        self._known: dict[bytes, tuple[Workflow, Plan]] = {}

    async def __call__(self, context: RunContext, inputs: Inputs) -> object:
        known = self._known.get(context.definition)
        if known is None:
            workflow = self._load(context.definition.decode(), context.origin)
            known = self._known[context.definition] = workflow, plan_of(workflow)
        return await run_workflow(*known, context, inputs, self._services)


def plan_of(workflow: Workflow) -> Plan:
    """Return the plan of a workflow that has been checked."""
    writes: dict[str, dict[str, Reducer]] = {
        name: {output.field: workflow.state[output.field].reducer for output in node.outputs}
        for name, node in workflow.nodes.items()
    }
    plan = analyse(list(workflow.nodes), workflow.edges, writes).plan
    assert plan is not None
    return plan


async def run_workflow(
    workflow: Workflow, plan: Plan, context: RunContext, inputs: Inputs, services: Services
) -> object:
    """Return the output of the workflow: what `output` says, or the whole final state."""
    return await WorkflowRun(workflow, plan, context, inputs, services).run()


class WorkflowRun:
    """One run under way: the frontier, the views, the tasks."""

    def __init__(
        self,
        workflow: Workflow,
        plan: Plan,
        context: RunContext,
        inputs: Inputs,
        services: Services,
    ) -> None:
        self._workflow = workflow
        self._plan = plan
        self._context = context
        self._services = services
        self._fixed = {"inputs": inputs, "run": {"id": context.run_id}}
        self._frontier = Frontier(plan)
        self._views = Views(workflow)
        self._seen: dict[int, View] = {}
        self._tasks: dict[asyncio.Task[View], int] = {}

    async def run(self) -> object:
        """Run to the end and return the output."""
        ready = self.begin()
        try:
            while ready or self._tasks:
                ready = await self._advance(ready)
        finally:
            await _cancel_all(self._tasks)
        return self._result()

    def begin(self) -> list[Start]:
        """Return the nodes that may start first."""
        self._frontier.begin()
        return self.finish(0, self._views.initial())

    async def _advance(self, ready: Sequence[Start]) -> list[Start]:
        """Start what may start, wait for the next node to finish, return what follows."""
        if len(ready) == 1 and not self._tasks:
            start = ready[0]
            return self.finish(start.node, await self.visit(start, self.enter(start)))
        for start in ready:
            task = asyncio.create_task(self.visit(start, self.enter(start)))
            self._tasks[task] = start.node
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        return [
            following
            for task in done
            for following in self.finish(self._tasks.pop(task), task.result())
        ]

    def enter(self, start: Start) -> View:
        """Return what a node sees as it starts."""
        sources = (self._plan.ends[edge][0] for edge in start.edges)
        return self._views.join([self._seen[source] for source in sources])

    async def visit(self, start: Start, view: View) -> View:
        """Run a node and return what those behind it see."""
        node = self._workflow.nodes.get(self._plan.names[start.node])
        if node is None:
            return view
        result = await run_node(
            self._context, self._services, self._workflow, node, start.visit, self._scope(view)
        )
        if not node.outputs:
            return view
        return self._views.update(view, changes_of(node, result, self._workflow.state))

    def finish(self, node: int, view: View) -> list[Start]:
        """Note what a node leaves behind and return the nodes that may start now."""
        self._seen[node] = view

        def holds(edge: Edge) -> bool:
            assert edge.when is not None
            try:
                return bool(evaluate(edge.when, self._scope(view)))
            except InputError as error:
                raise StepError(
                    f"the condition of {edge.source} -> {edge.target} ({edge.when.source}): {error}",
                    hint=error.hint,
                ) from error

        return self._frontier.finish(node, holds)

    def _scope(self, view: View) -> Scope:
        return {**self._fixed, "state": view.state}

    def joined_state(self) -> Mapping[str, object]:
        """Return the state with the updates of every node that has finished."""
        end = len(self._plan.names) - 1
        seen = [self._seen[node] for node in sorted(self._seen)]
        return (self._seen[end] if end in self._seen else self._views.join(seen)).state

    def _result(self) -> object:
        final = self._seen[len(self._plan.names) - 1]
        if self._workflow.output is None:
            return dict(final.state)
        try:
            return render_argument(self._workflow.output, self._scope(final))
        except InputError as error:
            raise StepError(f"the output of the workflow: {error}", hint=error.hint) from error


async def _cancel_all(tasks: Mapping[asyncio.Task[View], int]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # one failure is enough; the others are not news
