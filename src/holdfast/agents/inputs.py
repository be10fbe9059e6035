"""Check what a run is given against what its workflow declares."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from holdfast.agents.problems import did_you_mean
from holdfast.agents.types import describe, problems
from holdfast.agents.workflow import Workflow
from holdfast.errors import InputError


def check_inputs(workflow: Workflow, given: Mapping[str, object]) -> dict[str, object]:
    """Return the inputs of a run, with defaults filled in, in the order of the workflow.

    Raises:
        InputError: some are missing, unknown or of the wrong type; the message lists all.
    """
    wrong: list[str] = []
    for name in given:
        if name not in workflow.inputs:
            near = did_you_mean(name, workflow.inputs)
            wrong.append(f"unknown input {name!r}" + (f" ({near})" if near else ""))
    inputs: dict[str, object] = {}
    for name, field in workflow.inputs.items():
        if name in given:
            inputs[name] = given[name]
            wrong += [f"input {each}" for each in problems(field.type, given[name], name)]
        elif field.has_default:
            inputs[name] = deepcopy(field.default)
        else:
            wrong.append(f"input {name!r} is missing ({describe(field.type)})")
    if wrong:
        known = ", ".join(workflow.inputs) or "none"
        raise InputError("\n".join(wrong), hint=f"the inputs of {workflow.name!r}: {known}")
    return inputs
