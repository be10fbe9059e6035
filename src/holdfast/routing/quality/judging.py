"""Is a cheap answer as good as the reference's? Judges that say so, and rules that need no judge."""

from __future__ import annotations

import inspect
import json
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, cast

from holdfast.errors import InputError
from holdfast.frozen import frozen
from holdfast.routing.quality.checks import Check, run_check
from holdfast.routing.structured import extract_json

_CLOSE: Final = 1e-9


@frozen
class Case:
    """Two answers to one question. `check` says whether one is in the form that was asked for."""

    question: str
    candidate: str
    reference: str
    check: Check | None = None


@frozen
class Ruling:
    """Whether each answer is good, and why in a few words that quote neither."""

    candidate: bool
    reference: bool
    why: str


class Judge(Protocol):
    """Somebody who compares answers."""

    async def __call__(self, case: Case) -> Ruling | None:
        """Return what is to be said, None if nothing can be.

        Raises:
            HoldfastError: the judge could not be asked.
        """
        ...


async def judge_by_form(case: Case) -> Ruling | None:
    """Say which answers are in the form that was asked for; None where none was."""
    if case.check is None:
        return None
    candidate = await run_check(case.check, case.question, case.candidate)
    reference = await run_check(case.check, case.question, case.reference)
    return Ruling(
        candidate=candidate.passed,
        reference=reference.passed,
        why="both are in the form" if candidate.passed and reference.passed else "by the form",
    )


async def judge_by_rules(case: Case) -> Ruling | None:
    """Say what needs no judge: an answer in a wrong form, or two that say the same."""
    form = await judge_by_form(case)
    if form is not None and not (form.candidate and form.reference):
        return form
    if say_the_same(case.candidate, case.reference):
        return Ruling(candidate=True, reference=True, why="they say the same")
    return None


async def judge_by_agreement(case: Case) -> Ruling:
    """Take the reference's answer for the truth: good is what is in the form and says the same."""
    return await judge_by_rules(case) or Ruling(
        candidate=False, reference=True, why="it says something else than the reference"
    )


def judge_with(function: Callable[[str, str, str], object], name: str) -> Judge:
    """Return a judge made of a function of the question, the candidate's answer and the reference's.

    It returns whether the candidate is as good, or both verdicts as a pair, or None; it may be `async`.
    """

    async def judge(case: Case) -> Ruling | None:
        try:
            said = function(case.question, case.candidate, case.reference)
            if inspect.isawaitable(said):
                said = await cast("Awaitable[object]", said)
        except Exception as error:
            raise InputError(
                f"the judge {name} failed: {type(error).__name__}: {error}"[:300]
            ) from error
        match said:
            case None:
                return None
            case bool():
                return Ruling(candidate=said, reference=True, why=f"{name} says so")
            case (bool() as candidate, bool() as reference):
                return Ruling(candidate=candidate, reference=reference, why=f"{name} says so")
            case _:
                raise InputError(
                    f"the judge {name} returned {type(said).__name__}",
                    hint="return True or False, or a pair of both, or None",
                )

    return judge


def say_the_same(first: str, second: str) -> bool:
    """Whether two answers are equal but for their writing: case, white space, order of members, 1 and 1.0."""
    try:
        one: object = json.loads(extract_json(first))
        other: object = json.loads(extract_json(second))
    except (ValueError, RecursionError):
        return _plain(first) == _plain(second)
    return _equal(one, other)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        first, second = cast("Mapping[str, object]", one), cast("Mapping[str, object]", other)
        return first.keys() == second.keys() and all(_equal(v, second[k]) for k, v in first.items())
    if isinstance(one, list) and isinstance(other, list):
        these, those = cast("list[object]", one), cast("list[object]", other)
        return len(these) == len(those) and all(map(_equal, these, those))
    if isinstance(one, str) and isinstance(other, str):
        return _plain(one) == _plain(other)
    if one is None or isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= _CLOSE * max(abs(one), abs(other))
    return False


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".!")
