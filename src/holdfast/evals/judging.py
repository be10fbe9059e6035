"""Say whether a scenario passed, and why not. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.agents.expressions import Expression, evaluate
from holdfast.errors import InputError
from holdfast.evals.suite import Scenario
from holdfast.tasks.state import TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One finished step of a scenario's run."""

    path: str
    visit: int
    milliseconds: int
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the run of a scenario ended. `cost_msat` is None if the cost is unknown.

    `question` is what the run still asks and no answer was given for.
    """

    run_id: str
    state: TaskState
    seconds: float
    steps: tuple[Step, ...]
    cost_msat: int | None
    result: object = None
    variables: Mapping[str, object] | None = None
    error: Mapping[str, object] | None = None
    question: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One scenario: passed if there are no `reasons`."""

    scenario: str
    outcome: Outcome | None
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return not self.reasons


def judge(scenario: Scenario, outcome: Outcome) -> Verdict:
    """Return what did not hold of all that a scenario expects."""
    reasons: list[str] = []
    if outcome.question:
        reasons.append(f"it asks {outcome.question!r}: give an answer in the scenario's answers")
    elif outcome.state is not scenario.ends:
        reasons.append(f"it ended {outcome.state}, not {scenario.ends}{_why(outcome)}")
    if scenario.within is not None and outcome.seconds > scenario.within:
        reasons.append(f"it took {outcome.seconds:.1f} s, more than {scenario.within:g} s")
    if not reasons:
        scope = _scope(scenario, outcome)
        reasons += [why for each in scenario.expect if (why := _failing(each, scope))]
    return Verdict(scenario=scenario.name, outcome=outcome, reasons=tuple(reasons))


def _scope(scenario: Scenario, outcome: Outcome) -> Mapping[str, object]:
    return {
        "result": outcome.result,
        "state": outcome.variables or {},
        "inputs": scenario.inputs,
        "steps": len(outcome.steps),
        "seconds": outcome.seconds,
        "cost_msat": outcome.cost_msat,
        "error": outcome.error,
    }


def _failing(expression: Expression, scope: Mapping[str, object]) -> str:
    """Return why an expectation does not hold, empty if it does."""
    try:
        if evaluate(expression, scope):
            return ""
    except InputError as error:
        return f"expected {expression.source}: {error.message}"
    seen = "; ".join(_seen(expression, scope))
    return f"expected {expression.source}" + (f" ({seen})" if seen else "")


def _seen(expression: Expression, scope: Mapping[str, object]) -> Sequence[str]:
    from holdfast.agents.templates import resolve  # noqa: PLC0415 - only where one failed

    shown: list[str] = []
    for reference in dict.fromkeys(expression.references):
        text = json.dumps(resolve(reference, scope), ensure_ascii=False, default=str)
        shown.append(f"{reference} is {text if len(text) <= 120 else text[:119] + '…'}")
    return shown


def _why(outcome: Outcome) -> str:
    if outcome.error is None:
        return ""
    step = f"{outcome.error['step']}: " if outcome.error.get("step") else ""
    return f": {step}{outcome.error.get('message', '')}"
