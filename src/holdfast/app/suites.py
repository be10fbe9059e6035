"""Run the scenarios of a suite through the real workflow, and judge them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from holdfast.agents.inputs import check_inputs
from holdfast.app.runtime import Runtime, load_text, open_runtime
from holdfast.clock import Clock, SystemClock
from holdfast.engine.records import summarise
from holdfast.errors import HoldfastError, InputError, WorkflowError
from holdfast.evals.cassette import Cassette, RecordedProvider, recorded, recording
from holdfast.evals.checking import mistakes_of
from holdfast.evals.judging import Outcome, Step, Verdict, judge
from holdfast.evals.purse import BudgetedProvider, Purse
from holdfast.evals.suite import Scenario, Suite
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.agents.workflow import Workflow
    from holdfast.engine.history import History
    from holdfast.routing.seam import Provider


class SuiteRun:
    """One run of a suite: with recorded answers or, if it is `live`, with real ones in a budget.

    With `record` the real answers are kept for the next time. Iterate it once for the verdicts, in
    order; a scenario that fails does not keep the next from running.

    Raises:
        WorkflowError: the workflow or the recording cannot be read.
    """

    def __init__(
        self,
        suite: Suite,
        settings: Settings,
        *,
        live: bool = False,
        record: bool = False,
        budget_msat: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.suite = suite
        self._settings = settings
        self._clock = clock or SystemClock()
        self._record = record
        self._source = _read(suite)
        self.workflow = load_text(self._source, str(suite.workflow))
        allowed = suite.budget_msat if budget_msat is None else budget_msat
        self.purse = Purse(allowed or 0) if live or record else None
        self._cassette = Cassette() if record or live else _recording_of(suite)
        self._player: RecordedProvider | None = None

    async def verdicts(self, names: Sequence[str] = ()) -> AsyncIterator[Verdict]:
        """Yield a verdict a scenario; with `names` only of those.

        Raises:
            InputError: there is no scenario of such a name.
        """
        chosen = _chosen(self.suite, names)
        async with open_runtime(
            self._settings, clock=self._clock, owner=self.suite.owner, exchange=self._exchange
        ) as runtime:
            for scenario in chosen:
                yield await self._try(runtime, scenario)
        if self._record:
            self._cassette.save(self.suite.recording)

    def _exchange(self, providers: Sequence[Provider]) -> Sequence[Provider]:
        if self.purse is None:
            return recorded(self._cassette)
        bounded = [BudgetedProvider(each, self.purse) for each in providers]
        return recording(bounded, self._cassette)

    async def _try(self, runtime: Runtime, scenario: Scenario) -> Verdict:
        try:
            outcome = await self._run(runtime, scenario)
        except HoldfastError as error:
            return Verdict(scenario=scenario.name, outcome=None, reasons=(error.message,))
        return judge(scenario, outcome)

    async def _run(self, runtime: Runtime, scenario: Scenario) -> Outcome:
        check_inputs(self.workflow, scenario.inputs)
        begin = self._clock.monotonic_ns()
        run_id = await runtime.start_workflow(
            self.workflow, scenario.inputs, origin=str(self.suite.workflow)
        )
        history = await runtime.engine.settle(run_id)
        while (found := _answerable(history, scenario)) is not None:
            key, answer = found
            await runtime.engine.answer(run_id, key, answer, by=self.suite.owner)
            await runtime.resume_workflow(run_id, use="stored")
            history = await runtime.engine.settle(run_id)
        seconds = (self._clock.monotonic_ns() - begin) / 1e9
        question = next(iter(history.open_requests), "")
        if question:
            history = await runtime.engine.cancel(run_id, by=self.suite.owner)
        return await _outcome(runtime, self.workflow, history, seconds, question)


def check_suite(suite: Suite) -> None:
    """Check a suite against its workflow, without running anything.

    Raises:
        WorkflowError: the workflow cannot be read, or has mistakes.
        InputError: the suite has mistakes; the message lists all.
    """
    mistakes = mistakes_of(suite, load_text(_read(suite), str(suite.workflow)))
    if mistakes:
        said = "\n".join(f"{suite.file}: {each}" for each in mistakes)
        raise InputError(said, hint=f"the workflow is {suite.workflow}")


async def _outcome(
    runtime: Runtime, workflow: Workflow, history: History, seconds: float, question: str
) -> Outcome:
    from holdfast.agents.replay import variables_of  # noqa: PLC0415 - a command that may do without

    summary = summarise(history)
    return Outcome(
        run_id=summary.id,
        state=history.state,
        seconds=seconds,
        steps=tuple(
            Step(
                path=each.path,
                visit=each.visit,
                milliseconds=each.took,
                failed=each.error is not None,
            )
            for each in history.steps.values()
        ),
        cost_msat=summary.cost_msat if summary.cost_known else None,
        result=history.result,
        variables=await variables_of(workflow, history, runtime.services),
        error=history.error,
        question=question,
    )


def _answerable(history: History, scenario: Scenario) -> tuple[str, object] | None:
    """Return a question of the run and the answer that the scenario has to it.

    An answer is for one visit of a node (`approve#2`) or for all of them (`approve`).
    """
    for key in history.open_requests:
        for name in (key, key.partition("#")[0]):
            if name in scenario.answers:
                return key, scenario.answers[name]
    return None


def _chosen(suite: Suite, names: Sequence[str]) -> Sequence[Scenario]:
    known = {each.name: each for each in suite.scenarios}
    for name in names:
        if name not in known:
            raise InputError(
                f"the suite has no scenario {name!r}", hint=f"it has: {', '.join(known)}"
            )
    return [known[name] for name in names] if names else suite.scenarios


def _read(suite: Suite) -> str:
    try:
        return suite.workflow.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkflowError(
            f"cannot read the workflow {str(suite.workflow)!r} of the suite: {error}",
            hint="a relative path begins at the folder of the suite",
        ) from None


def _recording_of(suite: Suite) -> Cassette:
    """Return the recording; none is needed where the workflow asks no model but the extractor."""
    try:
        return Cassette.load(suite.recording)
    except WorkflowError:
        if suite.recording.exists():
            raise
        return Cassette()
