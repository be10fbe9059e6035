"""What each kind of node does: one function a kind, each effect one step of the engine."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, assert_never, cast

from holdfast.agents.contracts import output_contract
from holdfast.agents.expressions import evaluate
from holdfast.agents.functions import find_function, folder_of
from holdfast.agents.templates import Argument, Scope, render, render_argument
from holdfast.agents.threads import call_in_thread
from holdfast.agents.tools.seam import Tool, ToolContext
from holdfast.agents.types import json_schema, problems
from holdfast.agents.workflow import HumanNode, ModelNode, Node, PythonNode, ToolNode, Workflow
from holdfast.engine.attempts import current_step
from holdfast.engine.seam import RunContext
from holdfast.errors import InputError, ModelOutputError, ProviderError, StepError
from holdfast.routing.router import Router
from holdfast.routing.seam import Account, Message, ModelReply, ModelRequest

Kind = TypeVar("Kind", bound=Node)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What nodes need from outside: the router, the tools, what tools may touch."""

    router: Router
    tools: Mapping[str, Tool]
    tool_context: ToolContext
    default_model: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class _Visit:
    """One visit of a node, or of one item of a map (then `path` ends in its index)."""

    context: RunContext
    services: Services
    workflow: Workflow
    path: str
    number: int
    scope: Scope


async def run_node(
    context: RunContext,
    services: Services,
    workflow: Workflow,
    node: Node,
    number: int,
    scope: Scope,
) -> object:
    """Return the result of one visit of a node; for a map the list of results in item order."""
    if node.map is None:
        return await _run_one(node, _Visit(context, services, workflow, node.name, number, scope))
    with _naming(node):
        items = evaluate(node.map.over, scope)
    if not isinstance(items, list):
        raise StepError(
            f"{node.name}: {node.map.over.source} is not a list and cannot be mapped over"
        )
    name = node.map.name

    def one(index: int, item: object) -> Awaitable[object]:
        path = f"{node.name}[{index}]"
        return _run_one(
            node, _Visit(context, services, workflow, path, number, {**scope, name: item})
        )

    return await _limited(cast("list[object]", items), node.map.concurrency, one)


async def _run_one(node: Node, visit: _Visit) -> object:
    match node:
        case HumanNode():
            with _naming(node):
                prompt = render(node.ask, visit.scope)
            return await visit.context.wait_for_input(
                f"{visit.path}#{visit.number}", prompt, json_schema(node.returns)
            )
        case ModelNode():
            return await _step(node, visit, _ask_model)
        case ToolNode():
            return await _step(node, visit, _call_tool)
        case PythonNode():
            return await _step(node, visit, _call_python)
        case _:
            assert_never(node)


@contextmanager
def _naming(node: Node) -> Generator[None]:
    """Let an error outside any step say which node it is about."""
    try:
        yield
    except InputError as error:
        raise StepError(f"{node.name}: {error.message}", hint=error.hint) from error


async def _step(
    node: Kind, visit: _Visit, effect: Callable[[Kind, _Visit], Awaitable[object]]
) -> object:
    return await visit.context.step(
        visit.path,
        effect,
        node,
        visit,
        visit=visit.number,
        retry=node.retry,
        timeout=node.timeout,
        once=node.once,
    )


async def _ask_model(node: ModelNode, visit: _Visit) -> object:
    messages = [Message(role="user", content=render(node.prompt, visit.scope))]
    if node.system is not None:
        messages.insert(0, Message(role="system", content=render(node.system, visit.scope)))
    request = ModelRequest(
        model=node.model or visit.workflow.model or visit.services.default_model,
        messages=tuple(messages),
        output=output_contract(node),
        temperature=node.temperature,
        max_tokens=node.max_tokens,
    )
    try:
        account = Account(owner=visit.services.owner, run_id=visit.context.run_id)
        reply = await visit.services.router.complete(request, account=account)
    except (ModelOutputError, ProviderError) as error:
        if isinstance(error.spent, ModelReply):
            _account(error.spent)
        raise
    except (asyncio.CancelledError, TimeoutError):
        _lose_count()  # a provider may charge for what it was stopped from saying
        raise
    _account(reply)
    return reply.value


def _account(reply: ModelReply) -> None:
    """Write what a reply cost into the journal entry of the step that asked."""
    step = current_step()
    if step is None:
        return
    spent = cast("int | None", step.meta.get("cost_msat", 0))
    unknown = spent is None or reply.cost_msat is None
    step.meta |= {
        "model": reply.model,
        "provider": reply.provider,
        "input_tokens": reply.usage.input_tokens,
        "output_tokens": reply.usage.output_tokens,
        "cost_msat": None if unknown else cast("int", spent) + cast("int", reply.cost_msat),
        "extractive": reply.extractive,
    }


def _lose_count() -> None:
    """Note that nobody knows what the step has cost."""
    step = current_step()
    if step is not None:
        step.meta["cost_msat"] = None


async def _call_tool(node: ToolNode, visit: _Visit) -> object:
    tool = visit.services.tools[node.tool]
    arguments = _arguments(node.arguments, visit.scope)
    given = {
        name: arguments.get(name, field.default)
        for name, field in tool.signature.parameters.items()
    }
    for name, value in given.items():
        field = tool.signature.parameters[name]
        wrong = [] if name not in arguments else problems(field.type, value, name)
        if wrong:
            raise StepError(f"tool {node.tool!r}: {wrong[0]}")
    return await tool.call(given, visit.services.tool_context)


async def _call_python(node: PythonNode, visit: _Visit) -> object:
    function = find_function(node.call, folder_of(visit.context.origin))
    arguments = _arguments(node.arguments, visit.scope)
    if inspect.iscoroutinefunction(function):
        result = await function(**arguments)
    else:
        result = await call_in_thread(function, **arguments)
    wrong = problems(node.returns, result)
    if wrong:
        raise StepError(f"{node.call} returned something else than it should: {wrong[0]}")
    return result


def _arguments(arguments: Mapping[str, Argument], scope: Scope) -> dict[str, object]:
    return {name: render_argument(value, scope) for name, value in arguments.items()}


async def _limited(
    items: list[object], limit: int, job: Callable[[int, object], Awaitable[object]]
) -> list[object]:
    """Run `job` on every item, at most `limit` at once; the first failure stops the others."""
    results: list[object] = [None] * len(items)
    remaining = iter(enumerate(items))

    async def work() -> None:
        for index, item in remaining:
            results[index] = await job(index, item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(items))):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        raise _first(failures) from None
    return results


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    while isinstance(first, BaseExceptionGroup):
        first = cast("BaseExceptionGroup[BaseException]", first).exceptions[0]
    return first
