"""Check a share of the answers that went out: in the background, within a budget, never in anybody's way."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from holdfast.clock import Clock
from holdfast.errors import BudgetExceeded, HoldfastError
from holdfast.frozen import replace
from holdfast.ids import new_run_id
from holdfast.routing.checking.comparing import compare
from holdfast.routing.checking.kept import KeptEvidence
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.dispatching.overseeing import Answered
from holdfast.routing.quality.checks import run_check
from holdfast.routing.quality.choices import Choice
from holdfast.routing.quality.evidence import Prediction
from holdfast.routing.quality.file import Checked, Heard
from holdfast.routing.quality.judging import Judge
from holdfast.routing.quality.rules import QualityRules
from holdfast.storage.warning import warn
from holdfast.tracing.tracer import Tracer

JudgeFor = Callable[[Answered, Choice], Judge]
"""Makes the judge for one answer: a model that judges is asked under the policy of that request."""

_MOST_WAITING: Final = 100
_GRACE_SECONDS: Final = 5.0


@dataclass
class Counts:
    """What came of the checks that were due in this process; `problem` is why the last one failed."""

    due: int = 0
    judged: int = 0
    unjudged: int = 0
    failed: int = 0
    no_money: int = 0
    dropped: int = 0
    problem: str = ""


class Checker:
    """The overseer of a dispatcher; see its seam.

    At its end it waits `grace` seconds for the checks that have begun, unless an error ends it. What is
    cancelled then is booked as left and counts for nobody.
    """

    def __init__(
        self,
        kept: KeptEvidence,
        judge_for: JudgeFor,
        tracer: Tracer,
        *,
        clock: Clock,
        rules: QualityRules,
        grace: float = _GRACE_SECONDS,
    ) -> None:
        self.kept = kept
        self.counts = Counts()
        self._judge_for = judge_for
        self._tracer = tracer
        self._clock = clock
        self._rules = rules
        self.grace = grace
        self._room = asyncio.Semaphore(rules.concurrent_checks)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self._wait()
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait([*self._tasks])

    async def foresee(self, ask: Ask) -> Ask:
        self.kept.refresh_soon()
        predicted: Mapping[str, Prediction] = {}
        if self._rules.chooser != "complexity" or ask.check is not None:
            predicted = await self.kept.predict(ask.text)
        return replace(ask, id=ask.id or str(new_run_id()), predicted=predicted)

    def answered(self, answered: Answered) -> None:
        choice = answered.wanted.choice
        if choice is None:
            return
        self.kept.note_asked(answered.id, answered.ask.text, answered.model)
        if choice.check is not None and choice.contests:
            self.counts.due += 1
            self._begin(self._check(answered, choice))
        elif answered.wanted.check is not None or answered.fits is not None:
            self._begin(self._look_at_form(answered))

    async def hear(self, request: str, *, good: bool) -> Heard | None:
        """Take in what a user says of an answer; None if nobody knows the request any more."""
        return await self.kept.hear(request, good=good)

    async def quiet(self) -> None:
        """Return when nothing is on its way."""
        while self._tasks:
            await asyncio.wait([*self._tasks])

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        """Work in the background, outside the span and the step of whoever asked."""
        if len(self._tasks) >= _MOST_WAITING:
            self.counts.dropped += 1
            work.close()
            return
        loop = asyncio.get_running_loop()
        task = loop.create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self) -> None:
        """Give checks that have begun some time, and say what for if it is noticed."""
        silent = self.grace / 10
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=silent)
        if self._tasks:
            told = "answers are still being compared (%s): they get %g seconds more; Ctrl-C ends it"
            warn(told, len(self._tasks), self.grace - silent)
            await asyncio.wait([*self._tasks], timeout=self.grace - silent)

    async def _check(self, answered: Answered, choice: Choice) -> None:
        span = self._tracer.span(
            "check", trace_id=str(new_run_id()), checked=answered.id, second=choice.check or ""
        )
        async with self._room:
            try:
                with span as active:
                    active.set(verdict=await self._compare(answered, choice))
            except BudgetExceeded as error:
                self.counts.no_money += 1
                self.counts.problem = error.message
            except HoldfastError as error:
                self._fail(error.message)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody waits for it
                self._fail(f"{type(error).__name__}: {error}")

    async def _compare(self, answered: Answered, choice: Choice) -> str:
        """Compare two answers, count what came of it, and say it in a few words."""
        compared = await compare(answered, choice, self._judge_for(answered, choice))
        if compared is None or choice.floor is None:
            self.counts.unjudged += 1
            return "no judge could say"
        ruling = compared.ruling
        await self.kept.count(
            Checked(
                request=answered.id,
                at_ms=self._clock.now_ms(),
                contests=choice.contests,
                served=choice.model,
                candidate_good=ruling.candidate,
                reference_good=ruling.reference,
                why=ruling.why,
                point=await self.kept.point(answered.ask.text),
                floor=choice.floor,
                judged=compared.judged,
            )
        )
        self.counts.judged += 1
        good = {True: "good", False: "bad"}
        return f"{good[ruling.candidate]} against {good[ruling.reference]}: {ruling.why}"

    async def _look_at_form(self, answered: Answered) -> None:
        """Learn from the form of an answer that nobody else judges."""
        fits, check = answered.fits, answered.wanted.check
        if fits is None and check is not None:
            fits = (await run_check(check, answered.ask.text, answered.text)).passed
        if fits is not None:
            await self.kept.learn(answered.ask.text, answered.model, good=fits)

    def _fail(self, problem: str) -> None:
        self.counts.failed += 1
        if problem != self.counts.problem:
            warn("an answer could not be checked: %s", problem[:300])
        self.counts.problem = problem
