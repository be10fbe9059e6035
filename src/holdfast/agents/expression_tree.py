"""The parts an expression is made of, and reading them from text.

The syntax is Python's, read by `ast.parse` and copied part by part from a short list; what is not
on the list is refused, and nothing is ever evaluated by Python itself.
"""

from __future__ import annotations

import ast
import math
import warnings
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from holdfast.agents.templates import Reference
from holdfast.errors import WorkflowError

MOST_TEXT = 2_000
MOST_DEPTH = 40

Operator = Literal["+", "-", "*"]
Comparator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]


@dataclass(frozen=True, slots=True)
class Constant:
    """Text, a number, true, false or null."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Length:
    """`len(part)`."""

    part: Tree


@dataclass(frozen=True, slots=True)
class Not:
    """`not part`."""

    part: Tree


@dataclass(frozen=True, slots=True)
class Negative:
    """`-part`."""

    part: Tree


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left + right` and its like, on numbers."""

    operator: Operator
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class Comparison:
    """A chain such as `0 < state.count <= 5`."""

    first: Tree
    rest: tuple[tuple[Comparator, Tree], ...]


@dataclass(frozen=True, slots=True)
class Logic:
    """`a and b and …` or `a or b or …`, which stop early and give back an operand."""

    operator: Literal["and", "or"]
    parts: tuple[Tree, ...]


Tree: TypeAlias = (
    Constant | Reference | Items | Length | Not | Negative | Arithmetic | Comparison | Logic
)

_OPERATORS: dict[type[ast.operator], Operator] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_COMPARATORS: dict[type[ast.cmpop], Comparator] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_WORDS = {"true": True, "false": False, "null": None}
_HABITS = (
    ("&&", "write 'and'"),
    ("||", "write 'or'"),
    ("{", "names stand without braces here: state.x"),
    ("=", "equality is '=='"),
    ("!", "write 'not'"),
)


def parse_tree(text: str) -> Tree:
    """Read an expression.

    Raises:
        WorkflowError: it is not one, or it uses something that is not allowed.
    """
    plain = text.strip()
    if not plain:
        raise WorkflowError("an expression is empty")
    if len(plain) > MOST_TEXT:
        raise WorkflowError(f"an expression may be {MOST_TEXT} characters long, not {len(plain)}")
    return _tree(_parsed(plain), MOST_DEPTH)


def _parsed(text: str) -> ast.expr:
    wrapped = f"({text}\n)" if "\n" in text else text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(wrapped, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        hint = next((hint for habit, hint in _HABITS if habit in text), "")
        raise WorkflowError(f"not an expression: {_short(text)}", hint=hint) from None


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "…")


def _tree(node: ast.expr, depth: int) -> Tree:  # noqa: C901 - one case a kind of part
    if depth == 0:
        raise WorkflowError(f"an expression may be {MOST_DEPTH} levels deep", hint="split it")
    match node:
        case ast.Constant():
            return _constant(node)
        case ast.Name() | ast.Attribute() | ast.Subscript():
            return _reference(node)
        case ast.List():
            return Items(_trees(node.elts, depth))
        case ast.Call():
            return Length(_tree(_len_argument(node), depth - 1))
        case ast.UnaryOp():
            return _unary(node, depth)
        case ast.BinOp():
            return _arithmetic(node, depth)
        case ast.BoolOp():
            operator = "and" if isinstance(node.op, ast.And) else "or"
            return Logic(operator, _trees(node.values, depth))
        case ast.Compare():
            return _comparison(node, depth)
        case _:
            raise _refused(node)


def _trees(nodes: list[ast.expr], depth: int) -> tuple[Tree, ...]:
    return tuple(_tree(each, depth - 1) for each in nodes)


def _refused(node: ast.AST, hint: str = "") -> WorkflowError:
    known = {
        "Set": "names stand without braces here: state.x",
        "Dict": "names stand without braces here: state.x",
        "IfExp": "use two edges with 'when'",
        "Tuple": "write a list: [a, b]",
        "JoinedStr": "f-strings are not supported",
    }
    name = type(node).__name__
    return WorkflowError(
        f"{_short(ast.unparse(node))} is not allowed in an expression",
        hint=hint or known.get(name, "allowed: and, or, not, comparisons, + - *, len(), lists"),
    )


def _constant(node: ast.Constant) -> Constant:
    value = cast("object", node.value)
    if not isinstance(value, str | int | float | None):
        raise _refused(node)
    if isinstance(value, float) and not math.isfinite(value):
        raise _refused(node, "the number is too large")
    return Constant(value)


def _reference(node: ast.expr) -> Tree:
    steps: list[str | int] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            steps.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript) and (index := _index(node.slice)) is not None:
            steps.append(index)
            node = node.value
        else:
            raise _refused(node, "only names such as state.x or state.items[0].y")
    if not steps and node.id in _WORDS:
        return Constant(_WORDS[node.id])
    return Reference(node.id, tuple(reversed(steps)))


def _index(node: ast.expr) -> int | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return sign * node.value
    return None


def _len_argument(node: ast.Call) -> ast.expr:
    if not (isinstance(node.func, ast.Name) and node.func.id == "len"):
        raise _refused(node, "len() is the only function")
    if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
        raise _refused(node, "len() takes one value")
    return node.args[0]


def _unary(node: ast.UnaryOp, depth: int) -> Tree:
    if isinstance(node.op, ast.Not):
        return Not(_tree(node.operand, depth - 1))
    if isinstance(node.op, ast.USub):
        return Negative(_tree(node.operand, depth - 1))
    raise _refused(node)


def _arithmetic(node: ast.BinOp, depth: int) -> Tree:
    operator = _OPERATORS.get(type(node.op))
    if operator is None:
        raise _refused(node, "the operators are + - *")
    return Arithmetic(operator, _tree(node.left, depth - 1), _tree(node.right, depth - 1))


def _comparison(node: ast.Compare, depth: int) -> Tree:
    rest: list[tuple[Comparator, Tree]] = []
    for operator, operand in zip(node.ops, node.comparators, strict=True):
        if type(operator) not in _COMPARATORS:
            raise _refused(node, "write '==' and '!=' instead of 'is' and 'is not'")
        rest.append((_COMPARATORS[type(operator)], _tree(operand, depth - 1)))
    return Comparison(_tree(node.left, depth - 1), tuple(rest))
