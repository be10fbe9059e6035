"""Check what a workflow means: references, types, tools, functions, the graph; all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path as FilePath
from typing import TypeAlias

from holdfast.agents.check_nodes import check_outputs, check_python, check_tool
from holdfast.agents.check_references import Names, check_reference
from holdfast.agents.expression_types import infer
from holdfast.agents.expressions import Expression
from holdfast.agents.friendly import bare_reference
from holdfast.agents.plan import analyse
from holdfast.agents.positions import Path
from holdfast.agents.report import Report
from holdfast.agents.signatures import Catalogue
from holdfast.agents.templates import Argument, Reference, Template, references_of
from holdfast.agents.types import ANY, Type, describe
from holdfast.agents.workflow import (
    Field,
    HumanNode,
    ModelNode,
    Node,
    PythonNode,
    Reducer,
    ToolNode,
    Workflow,
)
from holdfast.errors import WorkflowError

Before: TypeAlias = Mapping[str, AbstractSet[str]]


def check(
    workflow: Workflow,
    origins: Sequence[Path],
    report: Report,
    *,
    tools: Catalogue | None = None,
    folder: FilePath | None = None,
) -> None:
    """Report everything that is wrong with a workflow that has the right shape.

    `origins` are the paths of the edges in the file; `folder` is where the modules of python
    nodes may be; without `tools` the tools are not checked.
    """
    names = _names(workflow, report)
    for node in workflow.nodes.values():
        _check_node(node, workflow, names, report)
        if isinstance(node, ToolNode) and tools is not None:
            check_tool(node, tools, _within(node, names, report), report)
        elif isinstance(node, PythonNode):
            check_python(node, folder, report)
    for edge, origin in zip(workflow.edges, origins, strict=True):
        if edge.when is not None:
            _check_expression(edge.when, (*origin, "when"), names, report)
    _check_argument(workflow.output, ("output",), names, report)
    if not report.is_broken(("edges",)):
        _check_graph(workflow, origins, report)


def _names(workflow: Workflow, report: Report) -> Names:
    return Names(
        inputs=None if report.is_broken(("inputs",)) else _types(workflow.inputs),
        state=None if report.is_broken(("state",)) else _types(workflow.state),
    )


def _types(fields: Mapping[str, Field]) -> dict[str, Type]:
    return {name: each.type for name, each in fields.items()}


def _within(node: Node, names: Names, report: Report) -> Names:
    """Add the variable of the node's map, with the type of the items."""
    if node.map is None:
        return replace(names, open=True) if report.is_broken(_map_path(node)) else names
    try:
        over = infer(node.map.over, names.types)
    except WorkflowError:
        over = ANY
    return replace(names, variables={node.map.name: over.item or ANY})


def _map_path(node: Node) -> Path:
    return ("nodes", node.name, "map")


def _check_node(node: Node, workflow: Workflow, names: Names, report: Report) -> None:
    path: Path = ("nodes", node.name)
    if node.map is not None:
        over = _check_expression(node.map.over, (*path, "map", "over"), names, report)
        if over.kind not in {"list", "any"}:
            message = f"a map needs a list, and {node.map.over.source} is {describe(over)}"
            report.add((*path, "map", "over"), message)
    inner = _within(node, names, report)
    for field, argument in _arguments(node):
        _check_argument(argument, (*path, *field), inner, report)
    check_outputs(node, workflow.state, report)


def _arguments(node: Node) -> Iterator[tuple[Path, Argument]]:
    """Yield everything in a node that may hold references, with its place below the node."""
    match node:
        case ModelNode():
            yield ("prompt",), node.prompt
            yield ("system",), node.system
        case HumanNode():
            yield ("ask",), node.ask
        case ToolNode() | PythonNode():
            for name, each in node.arguments.items():
                yield ("arguments", name), each


def _check_argument(argument: Argument, path: Path, names: Names, report: Report) -> None:
    if isinstance(argument, Template):
        _check_all(argument.references, path, names, report, braces=True)
    elif isinstance(argument, tuple):
        for index, each in enumerate(argument):
            _check_argument(each, (*path, index), names, report)
    elif isinstance(argument, Mapping) and (reference := bare_reference(argument)):
        message = f"{reference} without quotes is no reference"
        report.add(path, message, f'put it in quotes: "{reference}"')
        report.mark_broken(path)
    elif isinstance(argument, Mapping):
        for name, each in argument.items():
            _check_argument(each, (*path, name), names, report)


def _check_all(
    references: Sequence[Reference], path: Path, names: Names, report: Report, *, braces: bool
) -> bool:
    wrong = [check_reference(each, names, braces=braces) for each in references]
    for each in wrong:
        if each is not None:
            report.add(path, each.message, each.suggestion)
    return not any(wrong)


def _check_expression(expression: Expression, path: Path, names: Names, report: Report) -> Type:
    if not _check_all(expression.references, path, names, report, braces=False):
        return ANY
    try:
        return infer(expression, names.types)
    except WorkflowError as error:
        report.add(path, error.message, error.hint)
        return ANY


def _check_graph(workflow: Workflow, origins: Sequence[Path], report: Report) -> None:
    writes: dict[str, dict[str, Reducer]] = {
        name: {
            output.field: workflow.state[output.field].reducer
            for output in node.outputs
            if output.field in workflow.state
        }
        for name, node in workflow.nodes.items()
    }
    analysis = analyse(tuple(workflow.nodes), workflow.edges, writes)
    for problem in analysis.problems:
        path: Path = ()
        if problem.edge is not None:
            path = origins[problem.edge]
        elif problem.node is not None:
            path = ("nodes", problem.node)
        report.add(path, problem.message, problem.suggestion, key=problem.edge is None)
    outputs_known = not any(report.is_broken(("nodes", n, "output")) for n in workflow.nodes)
    if outputs_known:
        _check_reads(workflow, origins, analysis.before, report)


def _check_reads(
    workflow: Workflow, origins: Sequence[Path], before: Before, report: Report
) -> None:
    """Report state that is read before anything can have written it."""
    writers = _writers(workflow)
    direct = {(edge.source, edge.target) for edge in workflow.edges}
    for field, path, node, source in _reads(workflow, origins):
        if report.is_broken(("state", field)):
            continue
        names = writers.get(field)
        if not names:
            message = f"state.{field} is read, but it has no default and no node writes it"
            report.add(path, message, f"add 'output: {field}' to a node, or a default")
        elif node is not None and not _may_precede(names, node, source, direct, before):
            listed = " and ".join(repr(name) for name in sorted(names))
            message = f"state.{field} is read before {listed} can have written it"
            report.add(path, message, f"add an edge, or a default to state field {field!r}")


def _writers(workflow: Workflow) -> dict[str, set[str]]:
    writers: dict[str, set[str]] = {}
    for node in workflow.nodes.values():
        for output in node.outputs:
            writers.setdefault(output.field, set()).add(node.name)
    return writers


def _may_precede(
    names: set[str],
    node: str,
    source: frozenset[str],
    direct: set[tuple[str, str]],
    before: Before,
) -> bool:
    if any((name, node) in direct or name in source for name in names):
        return True  # most are: it saves asking for everything that came before
    return any(name in before.get(node, names) for name in names)


_Read: TypeAlias = tuple[str, Path, str | None, frozenset[str]]


def _reads(workflow: Workflow, origins: Sequence[Path]) -> Iterator[_Read]:
    """Yield each reading of state without a default: field, place, node, what it adds to `before`.

    An edge is decided when its source has ended, so what the source writes counts there.
    """
    for node in workflow.nodes.values():
        for path, references in _references(node):
            for field in _fields(references, workflow):
                yield field, path, node.name, frozenset()
    for edge, origin in zip(workflow.edges, origins, strict=True):
        if edge.when is not None:
            for field in _fields(edge.when.references, workflow):
                yield field, (*origin, "when"), edge.source, frozenset({edge.source})
    for field in _fields(references_of(workflow.output), workflow):
        yield field, ("output",), None, frozenset()


def _references(node: Node) -> Iterator[tuple[Path, Iterable[Reference]]]:
    path: Path = ("nodes", node.name)
    if node.map is not None:
        yield (*path, "map", "over"), node.map.over.references
    for place, argument in _arguments(node):
        yield (*path, *place), references_of(argument)


def _fields(references: Iterable[Reference], workflow: Workflow) -> set[str]:
    """Return the state fields without a default among the references."""
    names = {str(each.path[0]) for each in references if each.root == "state" and each.path}
    return {
        name for name in names if name in workflow.state and not workflow.state[name].has_default
    }
