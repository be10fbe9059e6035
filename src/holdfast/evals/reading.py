"""From the text of a suite to a checked `Suite`, or to one error with all its mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar, cast

from holdfast.agents.expressions import Expression, parse_expression
from holdfast.agents.positions import Broken, compose
from holdfast.agents.positions import Path as At
from holdfast.agents.problems import Problem, WorkflowInvalid, did_you_mean
from holdfast.agents.report import Report
from holdfast.agents.schema import parse_duration
from holdfast.errors import WorkflowError
from holdfast.evals.suite import SYNTHETIC, Scenario, Suite
from holdfast.tasks.state import TaskState, is_terminal

T = TypeVar("T")
_MOST_BYTES = 4 * 1024 * 1024
_SUITE = ("suite", "workflow", "owner", "budget_sats", "scenarios")
_LEAST = "a suite has at least a workflow and scenarios"
_SCENARIO = ("name", "inputs", "answers", "expect", "ends", "within")
ROOTS = ("result", "state", "inputs", "steps", "seconds", "cost_msat", "error")
"""What an expectation may refer to."""


def load_suite(path: Path) -> Suite:
    """Read and check the file of a suite.

    Raises:
        WorkflowInvalid: it has mistakes; the message lists all of them.
        WorkflowError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise WorkflowError(
            f"cannot read the suite {str(path)!r}: {error.strerror}", hint="check the path"
        ) from None
    except UnicodeDecodeError:
        raise WorkflowError(f"{str(path)!r} is not UTF-8 text", hint="save it as UTF-8") from None
    if len(content) > _MOST_BYTES:
        raise WorkflowError(f"{str(path)!r} is larger than 4 MiB", hint="make several suites of it")
    return parse_suite(text, path)


def parse_suite(text: str, path: Path) -> Suite:
    """Check the text of a suite; relative paths in it begin at the folder of `path`.

    Raises:
        WorkflowInvalid: it has mistakes; the message lists all of them.
    """
    try:
        composed = compose(text)
    except Broken as error:
        line, column = error.fault.place
        problem = Problem(
            line=line,
            column=column,
            message=error.fault.message,
            suggestion=error.fault.suggestion if text.strip() else _LEAST,
            path=str(path),
        )
        raise WorkflowInvalid([problem]) from None
    report = Report(composed.positions, str(path))
    for fault in composed.faults:
        report.add_fault(fault)
    suite = _Reader(report, path).suite(composed.value)
    if report.problems:
        raise WorkflowInvalid(report.problems)
    return suite


class _Reader:
    def __init__(self, report: Report, file: Path) -> None:
        self._report = report
        self._file = file

    def suite(self, value: object) -> Suite:
        top = self._table(value, (), _SUITE)
        entries = self._take(top, (), "scenarios", _some_items, [])
        scenarios = [self._scenario(each, ("scenarios", at)) for at, each in enumerate(entries)]
        for at, each in enumerate(scenarios):
            if each.name and each.name in {other.name for other in scenarios[:at]}:
                self._report.add(("scenarios", at, "name"), f"a second scenario is {each.name!r}")
        for key in ("workflow", "scenarios"):
            if key not in top:
                self._report.add((), f"{key!r} is missing")
        workflow = self._take(top, (), "workflow", _some_text, "")
        return Suite(
            name=self._take(top, (), "suite", _some_text, self._file.stem),
            file=self._file,
            workflow=self._file.parent / workflow,
            scenarios=tuple(scenarios),
            owner=self._take(top, (), "owner", _some_text, SYNTHETIC),
            budget_msat=self._take(top, (), "budget_sats", _sats, None),
        )

    def _scenario(self, value: object, at: At) -> Scenario:
        table = self._table(value, at, _SCENARIO)
        if "name" not in table and isinstance(value, Mapping):
            self._report.add(at, "the scenario has no name")
        written = self._take(table, at, "expect", _texts, [])
        expect = [self._expression(text, (*at, "expect", n)) for n, text in enumerate(written)]
        return Scenario(
            name=self._take(table, at, "name", _some_text, ""),
            inputs=self._take(table, at, "inputs", _mapping, {}),
            answers=self._take(table, at, "answers", _mapping, {}),
            expect=tuple(each for each in expect if each is not None),
            ends=self._take(table, at, "ends", _ending, TaskState.COMPLETED),
            within=self._take(table, at, "within", parse_duration, None),
        )

    def _expression(self, text: str, at: At) -> Expression | None:
        try:
            expression = parse_expression(text)
        except WorkflowError as error:
            self._report.add(at, error.message, error.hint)
            return None
        for reference in expression.references:
            if reference.root not in ROOTS:
                hint = did_you_mean(reference.root, ROOTS) or f"there are {', '.join(ROOTS)}"
                self._report.add(at, f"there is no {reference.root!r} to expect of", hint)
        return expression

    def _table(self, value: object, at: At, known: tuple[str, ...]) -> Mapping[str, object]:
        if not isinstance(value, Mapping):
            self._report.add(at, f"must be names with values: {', '.join(known)}")
            return {}
        table = cast("Mapping[str, object]", value)
        for key in table:
            if key not in known:
                hint = did_you_mean(str(key), known) or f"known: {', '.join(known)}"
                self._report.add((*at, key), f"unknown field {key!r}", hint, key=True)
        return table

    def _take(
        self, table: Mapping[str, object], at: At, key: str, check: Callable[[object], T], usual: T
    ) -> T:
        if key not in table:
            return usual
        try:
            return check(table[key])
        except Exception as error:  # noqa: BLE001 - a check says what is wrong in its message
            self._report.add((*at, key), f"{key!r} {error}")
            return usual


def _some_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value


def _some_items(value: object) -> list[object]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list with at least one scenario")
    return cast("list[object]", value)


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError("must be a list of expressions, each in quotes")
    return cast("list[str]", value)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError("must be names with values")  # noqa: TRY004 - all checks raise the same
    return cast("Mapping[str, object]", value)


def _ending(value: object) -> TaskState:
    known = [str(state) for state in TaskState if is_terminal(state)]
    if value not in known:
        raise ValueError(f"must be one of {', '.join(known)}")
    return TaskState(cast("str", value))


def _sats(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**12:
        raise ValueError("must be an amount of sats")
    return round(value * 1000)
