"""From the schema of a file to the records of a workflow, with every problem reported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypedDict

from holdfast.agents.expressions import Expression, parse_expression
from holdfast.agents.fields import build_fields, build_type, check_name
from holdfast.agents.positions import Path
from holdfast.agents.report import Report
from holdfast.agents.schema import (
    AnyNode,
    EdgeSpec,
    HumanSpec,
    MapSpec,
    ModelSpec,
    PythonSpec,
    ToolSpec,
    WorkflowSpec,
)
from holdfast.agents.signatures import Catalogue
from holdfast.agents.templates import ROOTS, Argument, parse_argument, parse_template
from holdfast.agents.types import ANY, STR, Type
from holdfast.agents.workflow import (
    END,
    START,
    Edge,
    HumanNode,
    Map,
    ModelNode,
    Node,
    Output,
    PythonNode,
    Retry,
    ToolNode,
    Workflow,
)
from holdfast.errors import WorkflowError

MODEL_ATTEMPTS = 3


def build(
    spec: WorkflowSpec, source: str, report: Report, tools: Catalogue | None
) -> tuple[Workflow, list[Path]]:
    """Return the workflow, and for each of its edges the path in the file."""
    edges, origins = _build_edges(spec, report)
    workflow = Workflow(
        name=spec.name,
        source=source,
        digest=hashlib.sha256(source.encode()).hexdigest(),
        nodes={name: _build_node(name, each, report, tools) for name, each in spec.nodes.items()},
        edges=tuple(edges),
        version=spec.version,
        description=spec.description,
        inputs=build_fields(spec.inputs, "inputs", report),
        state=build_fields(spec.state, "state", report),
        output=None if spec.output is None else parse_argument(spec.output),
        model=spec.model,
        timeout=spec.timeout,
    )
    return workflow, origins


class _Common(TypedDict):
    name: str
    returns: Type
    outputs: tuple[Output, ...]
    map: Map | None
    retry: Retry
    timeout: float | None
    once: bool


def _build_node(name: str, spec: AnyNode, report: Report, tools: Catalogue | None) -> Node:
    path: Path = ("nodes", name)
    check_name(name, path, report)
    if name in {START, END}:
        report.add(path, f"{name!r} is reserved", "give the node another name", key=True)
        report.mark_broken(("edges",))
    common = _build_common(name, spec, report, tools)
    match spec:
        case ModelSpec():
            return ModelNode(
                **common,
                prompt=parse_template(spec.prompt),
                system=None if spec.system is None else parse_template(spec.system),
                model=spec.model,
                temperature=spec.temperature,
                max_tokens=spec.max_tokens,
            )
        case ToolSpec():
            return ToolNode(**common, tool=spec.tool, arguments=_build_arguments(spec))
        case PythonSpec():
            return PythonNode(**common, call=spec.call, arguments=_build_arguments(spec))
        case HumanSpec():
            return HumanNode(**common, ask=parse_template(spec.ask))


def _build_arguments(spec: ToolSpec | PythonSpec) -> dict[str, Argument]:
    return {name: parse_argument(each) for name, each in spec.arguments.items()}


def _build_common(name: str, spec: AnyNode, report: Report, tools: Catalogue | None) -> _Common:
    path: Path = ("nodes", name)
    returns = _default_returns(spec, tools)
    if spec.returns is not None:
        returns = build_type(spec.returns, (*path, "returns"), report)
    return _Common(
        name=name,
        returns=returns,
        outputs=_build_outputs(spec),
        map=None if spec.map is None else _build_map(spec.map, (*path, "map"), report),
        retry=_build_retry(spec, path, report),
        timeout=spec.timeout,
        once=spec.once,
    )


def _default_returns(spec: AnyNode, tools: Catalogue | None) -> Type:
    match spec:
        case ModelSpec() | HumanSpec():
            return STR
        case ToolSpec() if tools and spec.tool in tools:
            return tools[spec.tool].returns
        case _:
            return ANY


def _build_outputs(spec: AnyNode) -> tuple[Output, ...]:
    if spec.output is None:
        return ()
    if isinstance(spec.output, str):
        return (Output(field=spec.output),)
    return tuple(Output(field=field, key=key) for field, key in spec.output.items())


def _build_map(spec: MapSpec, path: Path, report: Report) -> Map:
    if spec.name in ROOTS:
        suggestion = "give the item another name"
        report.add((*path, "as"), f"{spec.name!r} already has a meaning in templates", suggestion)
    over = build_expression(spec.over, (*path, "over"), report)
    return Map(over=over, name=spec.name, concurrency=spec.concurrency)


def _build_retry(spec: AnyNode, path: Path, report: Report) -> Retry:
    usual = MODEL_ATTEMPTS if isinstance(spec, ModelSpec) and not spec.once else 1
    if spec.retry is None:
        return Retry(attempts=usual)
    attempts = spec.retry.attempts or usual
    if spec.once and attempts > 1:
        message = f"node {path[-1]!r} runs once, so it cannot be tried {attempts} times"
        report.add((*path, "retry"), message, "remove 'once' or 'retry'", key=True)
    return Retry(
        attempts=attempts,
        wait=spec.retry.wait,
        factor=spec.retry.factor,
        max_wait=spec.retry.max_wait,
    )


def build_expression(text: str, path: Path, report: Report) -> Expression:
    """Return the expression; one without a tree if it is broken."""
    try:
        return parse_expression(text)
    except WorkflowError as error:
        report.add(path, error.message, error.hint)
        report.mark_broken(path)
        return Expression(text, None, ())


def _build_edges(spec: WorkflowSpec, report: Report) -> tuple[list[Edge], list[Path]]:
    if spec.edges is None:
        return _chain((START, *spec.nodes, END)), [("nodes", name) for name in (*spec.nodes, "")]
    edges: list[Edge] = []
    origins: list[Path] = []
    for index, each in enumerate(spec.edges):
        path: Path = ("edges", index)
        made = (
            _split_chain(each, path, report)
            if isinstance(each, str)
            else [*_build_edge(each, path, report)]
        )
        edges += made
        origins += [path] * len(made)
    return edges, origins


def _chain(names: Sequence[str]) -> list[Edge]:
    return [Edge(source=source, target=target) for source, target in pairwise(names)]


def _split_chain(text: str, path: Path, report: Report) -> list[Edge]:
    names = [name.strip() for name in text.split("->")]
    if len(names) < 2 or not all(names):
        report.add(path, f"not a chain of nodes: {text!r}", "write 'start -> read -> end'")
        report.mark_broken(("edges",))
        return []
    return _chain(names)


def _build_edge(spec: EdgeSpec, path: Path, report: Report) -> Iterator[Edge]:
    targets = [spec.to] if isinstance(spec.to, str) else spec.to
    special = spec.when is not None or spec.otherwise or spec.limit is not None
    if len(targets) > 1 and special:
        message = "an edge with 'when', 'otherwise' or 'limit' leads to one node"
        report.add((*path, "to"), message, "write one edge a node")
    if spec.when is not None and spec.otherwise:
        message = "an edge has 'when' or 'otherwise', not both"
        report.add((*path, "otherwise"), message, key=True)
    when = None
    if spec.when is not None:
        when = build_expression(spec.when, (*path, "when"), report)
    for target in targets:
        yield Edge(
            source=spec.source,
            target=target,
            when=when,
            otherwise=spec.otherwise,
            limit=spec.limit,
        )
