"""Check one node: where its result goes, and the arguments of its tool or function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath

from holdfast.agents.check_references import Names
from holdfast.agents.expression_types import Types, reference_type
from holdfast.agents.functions import argument_faults, find_function, misspelt
from holdfast.agents.positions import Path
from holdfast.agents.problems import did_you_mean, did_you_mean_or_known
from holdfast.agents.report import Report
from holdfast.agents.signatures import Catalogue, ToolSignature
from holdfast.agents.templates import Argument, Template
from holdfast.agents.types import ANY, STR, Type, assignable, describe, member, problems
from holdfast.agents.workflow import Field, Node, Output, PythonNode, ToolNode
from holdfast.errors import WorkflowError


def check_outputs(node: Node, state: Mapping[str, Field], report: Report) -> None:
    """Report results that go to no state field, or to one that they do not fit."""
    for output in node.outputs:
        path: Path = ("nodes", node.name, "output")
        if output.key is not None:
            path = (*path, output.field)
        if output.field not in state:
            if not report.is_broken(("state",)):
                message = f"there is no state field {output.field!r}"
                key = output.key is not None
                report.add(path, message, did_you_mean_or_known(output.field, state), key=key)
        elif not report.is_broken(("state", output.field)):
            _check_output(node, output, state[output.field], path, report)


def _check_output(node: Node, output: Output, field: Field, path: Path, report: Report) -> None:
    result: Type | None = node.returns
    if output.key is not None:
        result = member(node.returns, output.key)
        if result is None:
            message = f"the result of node {node.name!r} has no member {output.key!r}"
            hint = did_you_mean(output.key, node.returns.fields)
            report.add(path, message, hint or f"it is {describe(node.returns)}")
            return
    if not _fits(result, field, mapped=node.map is not None):
        message, hint = _misfit(node, result, field)
        report.add(path, message, hint)


def _fits(result: Type, field: Field, *, mapped: bool) -> bool:
    whole = Type(kind="list", item=result) if mapped else result
    match field.reducer:
        case "replace":
            return assignable(whole, field.type)
        case "append":
            item = field.type.item or ANY
            return assignable(whole, field.type) or assignable(result, item)
        case "merge":
            return _merges(whole, field.type)


def _merges(result: Type, target: Type) -> bool:
    """Whether members of `result` may go into `target`; they need not be all of it."""
    if result.kind != "object" or not result.fields or not target.fields:
        return result.kind in {"any", "dict", "object"} and assignable(result, target)
    return all(
        name in target.fields and assignable(each, target.fields[name])
        for name, each in result.fields.items()
    )


def _misfit(node: Node, result: Type, field: Field) -> tuple[str, str]:
    given = f"list[{describe(result)}]" if node.map else describe(result)
    message = f"node {node.name!r} gives {given}, but state field {field.name!r} is "
    message += describe(field.type)
    if field.reducer == "replace" and field.type.kind == "list":
        if assignable(result, field.type.item or ANY):
            return message, f"add 'reducer: append' to {field.name!r}"
    elif field.reducer != "replace":
        message += f" with reducer {field.reducer!r}"
    return message, ""


def check_tool(node: ToolNode, tools: Catalogue, names: Names, report: Report) -> None:
    """Report an unknown tool, and arguments that it does not take."""
    path: Path = ("nodes", node.name)
    if node.tool not in tools:
        hint = did_you_mean(node.tool, tools) or f"the tools are {', '.join(sorted(tools))}"
        report.add((*path, "tool"), f"unknown tool {node.tool!r}", hint)
        return
    signature = tools[node.tool]
    there = {*node.arguments, *misspelt(node.arguments, signature.parameters)}
    for name, parameter in signature.parameters.items():
        if not parameter.has_default and name not in there:
            message = f"tool {node.tool!r} needs argument {name!r}"
            report.add((*path, "arguments"), message, f"it is {describe(parameter.type)}", key=True)
    for name, argument in node.arguments.items():
        _check_argument(name, argument, signature, (*path, "arguments", name), names.types, report)


def _check_argument(
    name: str,
    argument: Argument,
    signature: ToolSignature,
    path: Path,
    types: Types,
    report: Report,
) -> None:
    parameter = signature.parameters.get(name)
    if parameter is None:
        known = signature.parameters
        hint = did_you_mean(name, known) or f"it takes {', '.join(known) or 'none'}"
        report.add(path, f"tool {signature.name!r} has no argument {name!r}", hint, key=True)
        return
    for place, problem in argument_problems(argument, parameter.type, types, path):
        report.add(place, f"argument {name!r} of tool {signature.name!r} {problem}")


def argument_problems(
    argument: Argument, target: Type, types: Types, path: Path
) -> Iterator[tuple[Path, str]]:
    """Yield where an argument cannot fit a type, whatever its references turn out to be."""
    if isinstance(argument, Template):
        given = STR if argument.whole is None else reference_type(argument.whole, types)
        if not assignable(given, target):
            yield path, f"must be {describe(target)}, not {describe(given)}"
    elif isinstance(argument, tuple) and target.kind == "list":
        for index, each in enumerate(argument):
            yield from argument_problems(each, target.item or ANY, types, (*path, index))
    elif isinstance(argument, Mapping) and target.kind in {"dict", "object"}:
        yield from _member_problems(argument, target, types, path)
    elif not isinstance(argument, tuple | Mapping):
        yield from ((path, problem) for problem in problems(target, argument))
    elif target.kind != "any":
        given = "a list" if isinstance(argument, tuple) else "names with values"
        yield path, f"must be {describe(target)}, not {given}"


def _member_problems(
    argument: Mapping[str, Argument], target: Type, types: Types, path: Path
) -> Iterator[tuple[Path, str]]:
    for name, each in argument.items():
        declared = member(target, name)
        if declared is None:
            yield path, f"has an unknown member {name!r}"
        else:
            yield from argument_problems(each, declared, types, (*path, name))
    for name, declared in target.fields.items():
        if name not in argument and not declared.optional:
            yield path, f"needs member {name!r}"


def check_python(node: PythonNode, folder: FilePath | None, report: Report) -> None:
    """Report a function that cannot be imported, or not be called with these arguments."""
    path: Path = ("nodes", node.name)
    if report.is_broken((*path, "call")):
        return
    try:
        function = find_function(node.call, folder)
    except WorkflowError as error:
        report.add((*path, "call"), error.message, error.hint)
        return
    for name, message, hint in argument_faults(function, node.arguments):
        place = (*path, "call") if name is None else (*path, "arguments", name)
        report.add(place, f"function {node.call!r}: {message}", hint, key=name is not None)
