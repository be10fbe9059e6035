"""What an expression gives, worked out from declared types before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

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
    Tree,
)
from holdfast.agents.expressions import Expression
from holdfast.agents.templates import Reference
from holdfast.agents.types import ANY, BOOL, FLOAT, INT, STR, Type, describe, member
from holdfast.errors import WorkflowError

Types = Mapping[str, Type]
_NUMBERS = {"int", "float", "any", "enum"}
_SIZED = {"str", "list", "dict", "object", "any", "enum"}


def reference_type(reference: Reference, types: Types) -> Type:
    """Return the type that a reference leads to, `any` where that is not known."""
    declared = types.get(reference.root, ANY)
    for step in reference.path:
        declared = member(declared, step) or ANY
    return declared


def infer(expression: Expression, types: Types) -> Type:
    """Return the type of an expression; `types` has one type a root (`state`, `inputs`, `run`).

    Raises:
        WorkflowError: it cannot work with these types, whatever the values are.
    """
    return ANY if expression.tree is None else _infer(expression.tree, types)


def _infer(tree: Tree, types: Types) -> Type:  # noqa: C901, PLR0911 - one case a kind of part
    match tree:
        case Constant(value):
            return _of_constant(value)
        case Reference():
            return reference_type(tree, types)
        case Items(parts):
            return Type(kind="list", item=_common([_infer(part, types) for part in parts]))
        case Length(part):
            _must(_infer(part, types), _SIZED, "len() needs text, a list or members")
            return INT
        case Not(part):
            _infer(part, types)
            return BOOL
        case Negative(part):
            return _number(_infer(part, types), "-")
        case Arithmetic(operator, left, right):
            both = [_number(_infer(part, types), operator) for part in (left, right)]
            return _common(both)
        case Comparison():
            return _comparison(tree, types)
        case Logic(_, parts):
            return _common([_infer(part, types) for part in parts])


def _of_constant(value: object) -> Type:
    if isinstance(value, str):
        return Type(kind="enum", values=(value,))
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return INT
    return FLOAT if isinstance(value, float) else ANY


def _common(found: list[Type]) -> Type:
    """Return the one type of all, text for several texts, `any` when they differ."""
    if found and all(each == found[0] for each in found):
        return found[0]
    kinds = {each.kind for each in found}
    if not found or any(each.optional for each in found):
        return ANY
    if kinds == {"int", "float"}:
        return FLOAT
    if kinds <= {"enum", "str"} and all(isinstance(v, str) for t in found for v in t.values):
        return STR
    return ANY


def _must(declared: Type, kinds: set[str], message: str) -> None:
    if declared.kind not in kinds:
        raise WorkflowError(f"{message}, not {describe(declared)}")


def _number(declared: Type, operator: str) -> Type:
    text = any(isinstance(value, str) for value in declared.values)
    _must(STR if text else declared, _NUMBERS, f"{operator!r} needs numbers")
    return INT if declared.kind == "enum" else declared


def _comparison(tree: Comparison, types: Types) -> Type:
    left, left_type = tree.first, _infer(tree.first, types)
    for operator, right in tree.rest:
        right_type = _infer(right, types)
        _check(operator, (left, left_type), (right, right_type))
        left, left_type = right, right_type
    return BOOL


def _check(operator: Comparator, left: tuple[Tree, Type], right: tuple[Tree, Type]) -> None:
    match operator:
        case "==" | "!=":
            _check_equal(left, right)
            _check_equal(right, left)
        case "in" | "not in":
            _must(right[1], _SIZED, f"{operator!r} needs a list, text or members")
            _check_choices(left, right[0])
        case "<" | "<=" | ">" | ">=":
            _check_order(operator, left[1], right[1])


def _check_equal(choice: tuple[Tree, Type], other: tuple[Tree, Type]) -> None:
    constant = other[0]
    if isinstance(choice[0], Reference) and isinstance(constant, Constant):
        _check_constant(choice[0], choice[1], constant)


def _check_choices(choice: tuple[Tree, Type], container: Tree) -> None:
    if isinstance(choice[0], Reference) and isinstance(container, Items):
        for part in container.parts:
            if isinstance(part, Constant):
                _check_constant(choice[0], choice[1], part)


def _check_constant(reference: Reference, declared: Type, constant: Constant) -> None:
    value = constant.value
    if value is None:
        return
    if declared.kind == "enum" and not any(
        value == each and type(value) is type(each) for each in declared.values
    ):
        choices = ", ".join(repr(each) for each in declared.values)
        raise WorkflowError(f"{reference} is never {value!r}", hint=f"it is one of {choices}")
    if declared.kind in {"str", "int", "float", "bool"} and _family(declared) != _family(
        _of_constant(value)
    ):
        raise WorkflowError(f"{reference} is never {value!r}", hint=f"it is {describe(declared)}")


def _check_order(operator: str, left: Type, right: Type) -> None:
    families = {_family(left), _family(right)} - {"any"}
    if len(families) > 1 or families & {"bool", "list", "dict", "object"}:
        raise WorkflowError(
            f"{describe(_plain(left))} and {describe(_plain(right))} cannot be compared "
            f"with {operator!r}"
        )


def _plain(declared: Type) -> Type:
    """Show a literal text as what it is: one text, not a choice of one."""
    return STR if declared.kind == "enum" and len(declared.values) == 1 else declared


def _family(declared: Type) -> str:
    if declared.kind == "enum":
        kinds = {"str" if isinstance(value, str) else "number" for value in declared.values}
        return kinds.pop() if len(kinds) == 1 else "any"
    return "number" if declared.kind in {"int", "float"} else declared.kind
