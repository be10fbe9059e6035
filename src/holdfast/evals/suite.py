"""What a suite is: scenarios that run through a real workflow under an identity of their own.

::

    suite: nightly
    workflow: brief.yaml
    scenarios:
      - name: three notes
        inputs: {folder: fixtures/notes}
        answers: {approve: publish}
        expect: ['len(result.points) == 3', 'cost_msat <= 5000']
        within: 30s
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.agents.expressions import Expression
from holdfast.tasks.state import TaskState

SYNTHETIC = "synthetic"
"""The usual owner of the runs of a suite: they stay out of the lists of real work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run: what goes in, what people answer, and what must hold at its end.

    `answers` are by the name of the node that asks. `expect` sees `result`, `state`, `inputs`, `steps`, `seconds`, `cost_msat` (null if unknown) and
    `error`. `ends` is the state in which the run must end, `within` the most seconds it may take.
    """

    name: str
    inputs: Mapping[str, object] = field(default_factory=dict[str, object])
    answers: Mapping[str, object] = field(default_factory=dict[str, object])
    expect: tuple[Expression, ...] = ()
    ends: TaskState = TaskState.COMPLETED
    within: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A file of scenarios. `budget_msat` bounds what all of them together may cost with real models."""

    name: str
    file: Path
    workflow: Path
    scenarios: tuple[Scenario, ...]
    owner: str = SYNTHETIC
    budget_msat: int | None = None

    @property
    def recording(self) -> Path:
        """The file that holds the recorded answers of models."""
        return self.file.with_suffix(".answers.jsonl")
