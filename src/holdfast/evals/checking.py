"""Find what a suite says that its workflow does not have. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from holdfast.agents.inputs import check_inputs
from holdfast.agents.problems import did_you_mean
from holdfast.agents.workflow import HumanNode, Workflow
from holdfast.errors import InputError
from holdfast.evals.suite import Scenario, Suite

_NODE = re.compile(r"\w*")


def mistakes_of(suite: Suite, workflow: Workflow) -> list[str]:
    """Return what is wrong in each scenario: inputs, answers nobody asks for, unknown variables."""
    return [
        f"{scenario.name}: {mistake}"
        for scenario in suite.scenarios
        for mistake in _mistakes(scenario, workflow)
    ]


def _mistakes(scenario: Scenario, workflow: Workflow) -> Iterator[str]:
    try:
        check_inputs(workflow, scenario.inputs)
    except InputError as error:
        yield from error.message.splitlines()
    people = {name: node for name, node in workflow.nodes.items() if isinstance(node, HumanNode)}
    for key in scenario.answers:
        found = _NODE.match(key)
        yield from _unknown(found[0] if found else key, people, "no node asks a person as")
    for expectation in scenario.expect:
        for reference in expectation.references:
            known = {"state": workflow.state, "inputs": workflow.inputs}.get(reference.root)
            if known is not None and reference.path:
                name = str(reference.path[0])
                yield from _unknown(name, known, f"there is nothing in {reference.root!r} called")


def _unknown(name: str, known: Mapping[str, object], what: str) -> Iterator[str]:
    if name not in known:
        near = did_you_mean(name, known)
        yield f"{what} {name!r}" + (f" ({near})" if near else "")
