"""What can be said of an answer without knowing the right one: checks for a cascade."""

from __future__ import annotations

import ast
import asyncio
import inspect
import math
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from holdfast.errors import ModelOutputError
from holdfast.routing.seam import OutputContract
from holdfast.routing.structured import extract_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an answer passed, and the sentence that says why."""

    passed: bool
    why: str


Check = Callable[[str, str], Awaitable[Verdict]]
"""Called with the request's text and the answer's. It may run tests or ask a person."""

_EQUATION = re.compile(
    r"([\d.,()+\-*/\u00d7\u00f7 ]{3,200}+)=\s{0,3}[$\u20ac\u00a3]?\s{0,3}(-?\d[\d,]{0,30}(?:\.\d{1,15})?)"
)
_LONGEST = 50_000  # characters read of one answer


async def run_check(check: Check, prompt: str, answer: str) -> Verdict:
    """Return what a check says; one that fails itself lets nothing pass."""
    try:
        return await check(prompt, answer)
    except Exception as error:  # noqa: BLE001 - it may be a function of anybody's
        return Verdict(passed=False, why=f"the check failed: {type(error).__name__}: {error}"[:200])


def plain_check(passes: Callable[[str, str], bool], name: str) -> Check:
    """Return a check made of a plain function of the request's text and the answer's."""

    async def check(prompt: str, answer: str) -> Verdict:
        passed = passes(prompt, answer)
        return Verdict(passed=passed, why=f"{name}: {'yes' if passed else 'no'}")

    return check


def function_check(function: Callable[[str, str], object], name: str) -> Check:
    """Return a check made of somebody's function of the request's text and the answer's; it may be `async`.

    It returns whether the answer will do, or a sentence that says what is wrong with it. One that is
    not `async` is called in a thread.
    """

    async def check(prompt: str, answer: str) -> Verdict:
        if inspect.iscoroutinefunction(function):
            said: object = await function(prompt, answer)
        else:
            said = await asyncio.to_thread(function, prompt, answer)
        if isinstance(said, str):
            return Verdict(passed=not said, why=f"{name}: {said[:200] or 'yes'}")
        return Verdict(passed=bool(said), why=f"{name}: {'yes' if said else 'no'}")

    return check


def all_of(*checks: Check) -> Check:
    """Return a check that an answer passes if it passes each; the first failure says why."""

    async def check(prompt: str, answer: str) -> Verdict:
        for each in checks:
            verdict = await each(prompt, answer)
            if not verdict.passed:
                return verdict
        return Verdict(passed=True, why=f"passed all of {len(checks)} checks")

    return check


def fits(output: OutputContract) -> Check:
    """Return a check that the answer holds JSON which fits the contract."""

    async def check(prompt: str, answer: str) -> Verdict:  # noqa: ARG001 - the form of a check
        try:
            output.parse(extract_json(answer))
        except ModelOutputError as error:
            return Verdict(passed=False, why=f"does not fit {output.name!r}: {error.message}")
        return Verdict(passed=True, why=f"fits {output.name!r}")

    return check


async def check_not_empty(prompt: str, answer: str) -> Verdict:  # noqa: ARG001 - the form
    """Pass whatever has a letter or a digit in it."""
    passed = any(character.isalnum() for character in answer)
    return Verdict(passed=passed, why="the answer has words" if passed else "the answer is empty")


async def check_arithmetic(prompt: str, answer: str) -> Verdict:  # noqa: ARG001 - the form
    """Pass unless an equation in the answer is wrong, as `3 * 4 = 13` is."""
    for left, result in equations(answer):
        if not agrees(left, result):
            return Verdict(passed=False, why=f"a sum is wrong: {left:g} is not {result:g}")
    return Verdict(passed=True, why="no sum is wrong")


def equations(text: str) -> Iterator[tuple[float, float]]:
    """Yield the value of the left side and the number on the right of each equation of numbers.

    Left sides that are no arithmetic of at least one operation are passed over.
    """
    for match in _EQUATION.finditer(text[:_LONGEST]):
        left = evaluate(match[1])
        if left is not None:
            yield left, float(match[2].replace(",", ""))


def evaluate(text: str) -> float | None:
    """Return the value of `+ - * /` over numbers, None if it is anything else or one number."""
    cleaned = text.replace("\u00d7", "*").replace("\u00f7", "/").replace(",", "").strip()
    try:
        tree = ast.parse(cleaned, mode="eval").body
        return _value(tree) if isinstance(tree, ast.BinOp) else None
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left) + _value(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _value(left) - _value(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _value(left) * _value(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _value(left) / _value(right)
        case _:
            raise ValueError("not arithmetic")


def agrees(left: float, result: float) -> bool:
    """Whether two numbers are equal but for rounding to the digits that people write."""
    return math.isclose(left, result, rel_tol=0.005, abs_tol=0.01)
