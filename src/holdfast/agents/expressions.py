"""Conditions of edges and lists of maps: a small, pure language that looks like Python.

::

    state.verdict == "no" and len(state.drafts) < 3
    inputs.level in ["low", "high"] or not state.ok
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from holdfast.agents.expression_tree import (
    Arithmetic,
    Comparator,
    Comparison,
    Constant,
    Items,
    Length,
    Logic,
    Negative,
    Not,
    Operator,
    Tree,
    parse_tree,
)
from holdfast.agents.templates import Reference, Scope, resolve
from holdfast.errors import InputError

MOST_BITS = 512
"""Whole numbers stop here: far beyond any count, and still safe to turn into a float."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as written, its parts, and what it refers to. `tree` None: it was broken."""

    source: str
    tree: Tree | None
    references: tuple[Reference, ...]


def parse_expression(text: str) -> Expression:
    """Read an expression.

    Raises:
        WorkflowError: it is not one, or it uses something that is not allowed.
    """
    tree = parse_tree(text)
    return Expression(text.strip(), tree, tuple(_references(tree)))


def _references(tree: Tree) -> Iterator[Reference]:  # noqa: C901 - one case a kind of part
    match tree:
        case Reference():
            yield tree
        case Constant():
            return
        case Items(parts) | Logic(_, parts):
            for part in parts:
                yield from _references(part)
        case Length(part) | Not(part) | Negative(part):
            yield from _references(part)
        case Arithmetic(_, left, right):
            yield from _references(left)
            yield from _references(right)
        case Comparison(first, rest):
            yield from _references(first)
            for _, part in rest:
                yield from _references(part)


def evaluate(expression: Expression, scope: Scope) -> object:
    """Return the value of an expression; `and` and `or` give back an operand, as in Python.

    Raises:
        InputError: a reference leads nowhere, or values cannot be compared or calculated with.
    """
    if expression.tree is None:
        raise InputError(f"not an expression: {expression.source!r}")
    try:
        return _value(expression.tree, scope)
    except RecursionError:
        raise InputError(f"the values are nested too deep in {expression.source!r}") from None
    except InputError as error:
        message = f"{error.message} (in {expression.source!r})"
        raise InputError(message, hint=error.hint) from None


def _value(tree: Tree, scope: Scope) -> object:  # noqa: C901, PLR0911 - one case a kind of part
    match tree:
        case Constant(value):
            return value
        case Reference():
            return resolve(tree, scope)
        case Items(parts):
            return [_value(part, scope) for part in parts]
        case Length(part):
            return _length(_value(part, scope))
        case Not(part):
            return not _value(part, scope)
        case Negative(part):
            return -_number(_value(part, scope), "-")
        case Arithmetic(operator, left, right):
            return _calculate(operator, _value(left, scope), _value(right, scope))
        case Comparison(first, rest):
            return _compare_chain(_value(first, scope), rest, scope)
        case Logic(operator, parts):
            return _logic(operator == "or", parts, scope)


def _logic(stop: bool, parts: tuple[Tree, ...], scope: Scope) -> object:  # noqa: FBT001
    value: object = None
    for part in parts:
        value = _value(part, scope)
        if bool(value) is stop:
            break
    return value


def _length(value: object) -> int:
    if isinstance(value, str | list | Mapping):
        return len(cast("str | list[object]", value))
    raise InputError(f"{_name(value)} has no len()")


def _number(value: object, operator: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{operator!r} needs numbers, not {_name(value)}")
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise InputError("a number is too large to calculate with")
    return value


def _calculate(operator: Operator, left: object, right: object) -> int | float:
    first, second = _number(left, operator), _number(right, operator)
    match operator:
        case "+":
            return first + second
        case "-":
            return first - second
        case "*":
            return first * second


def _compare_chain(left: object, rest: tuple[tuple[Comparator, Tree], ...], scope: Scope) -> bool:
    for operator, tree in rest:
        right = _value(tree, scope)
        if not _compare(operator, left, right):
            return False
        left = right
    return True


def _compare(operator: Comparator, left: object, right: object) -> bool:
    match operator:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "in":
            return _contains(right, left)
        case "not in":
            return not _contains(right, left)
        case "<":
            return _before(left, right, operator)
        case ">":
            return _before(right, left, operator)
        case "<=" | ">=":
            first, second = (left, right) if operator == "<=" else (right, left)
            return first == second or _before(first, second, operator)


def _before(left: object, right: object, operator: str) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    numbers = [each for each in (left, right) if isinstance(each, int | float)]
    if len(numbers) == 2 and not any(isinstance(each, bool) for each in numbers):
        return numbers[0] < numbers[1]
    names = " and ".join(sorted((_name(left), _name(right))))
    raise InputError(f"{names} cannot be compared with {operator!r}")


def _contains(container: object, value: object) -> bool:
    if isinstance(container, list):
        return value in cast("list[object]", container)
    if isinstance(container, str | Mapping) and isinstance(value, str):
        return value in container
    if isinstance(container, str | Mapping):
        kind = _name(cast("object", container))
        raise InputError(f"'in' looks for text in {kind}, not for {_name(value)}")
    raise InputError(f"'in' needs a list, text or members, not {_name(container)}")


def _name(value: object) -> str:
    return "null" if value is None else type(value).__name__
