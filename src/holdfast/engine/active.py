"""A run that this process works on: its steps, its waits, and how it is stopped."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from types import MappingProxyType

from holdfast.clock import Clock
from holdfast.engine.attempts import StepCall, StepInfo, try_step
from holdfast.engine.events import Meta, StepFinished, StepStarted, TimerSet
from holdfast.engine.journal import Journal
from holdfast.engine.seam import Observer, Progress, ProgressKind
from holdfast.engine.slots import Slots
from holdfast.errors import StepFailed, StepInterrupted, describe_error
from holdfast.frozen import maker
from holdfast.ids import derived_span_id
from holdfast.tasks.events import InputRequested
from holdfast.tracing.tracer import Tracer

QUIET_SECONDS = 0.01
"""How long a run must do nothing but wait for answers before it is unloaded."""

AGAIN, FAIL = "again", "fail"
_finished = maker(StepFinished)
_NOTHING: Meta = MappingProxyType({})
"""What most steps tell of themselves: one for all, not a mapping a step."""


class Stop(StrEnum):
    """Why this process makes a run stop."""

    UNLOAD = "unload"
    """It only waits for answers."""
    RELEASE = "release"
    """The process is closing."""
    CANCEL = "cancel"
    """Somebody called it off."""


class ActiveRun:
    """One run while this process works on it."""

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Clock,
        tracer: Tracer,
        observer: Observer | None,
        definition: bytes,
        slots: Slots,
    ) -> None:
        self.journal = journal
        journal.on_news = self.take_news
        self.run_id = journal.history.birth.id
        self.definition = definition
        self.stop: Stop | None = None
        self.main: asyncio.Task[object] | None = None
        self.clock = clock
        self._tracer = tracer
        self._observer = observer
        self._slots = slots
        self._busy = 0
        self._moves = 0
        self._waits: dict[str, asyncio.Future[object]] = {}

    def halt(self, why: Stop) -> None:
        """Make the program stop; the first reason given counts, but a cancellation always does."""
        if self.stop is None or why is Stop.CANCEL:
            self.stop = why
        if self.main is not None:
            self.main.cancel()

    def take_news(self) -> None:
        """Act on what others appended to the log: answers, a wish to cancel."""
        history = self.journal.history
        answers = history.answers
        for key, future in self._waits.items():
            if key in answers and not future.done():
                future.set_result(answers[key].value)
        if history.cancel_requested or history.ended_at is not None:
            self.halt(Stop.CANCEL)

    def remember(self, done: StepFinished) -> object:
        """Return what a finished step returned, or raise what it raised."""
        if done.error is not None:
            raise StepFailed(done.path, done.error)
        return done.result

    async def run_step(self, call: StepCall) -> object:
        """Run a step that has not finished yet and journal how it ended."""
        if call.once:
            await self._guard_once(call)
        info = StepInfo(self.run_id, call.path, call.visit)
        started = self.clock.now_ms()
        self._enter()
        try:
            with self._tracer.span(call.path, kind="step", visit=call.visit) as span:
                if not self._slots.take():
                    await self._slots.wait()
                try:
                    result, error = await try_step(call, info, clock=self.clock, tell=self.tell)
                finally:
                    self._slots.release()
                if error is not None:
                    span.status, span.error = "error", f"{error['type']}: {error['message']}"
                span.attributes["attempts"] = info.attempt
            ended = self.clock.now_ms()
            done = _finished(
                at=ended,
                path=call.path,
                visit=call.visit,
                took=ended - started,
                attempts=info.attempt,
                result=result,
                error=error,
                meta=info.meta or _NOTHING,
            )
            await self.journal.append(done)
        finally:
            self._leave()
        if self._observer is not None:
            self._tell_finished(done)
        return self.remember(done)

    async def sleep_until(self, path: str, visit: int, seconds: float) -> None:
        """Sleep, counting from when the run first came here."""
        timers = self.journal.history.timers
        self._enter()
        try:
            if (path, visit) not in timers:
                now = self.clock.now_ms()
                until = now + int(seconds * 1000)
                await self.journal.append(TimerSet(at=now, path=path, visit=visit, until=until))
            rest = timers[path, visit] - self.clock.now_ms()
            if rest > 0:
                await self.clock.sleep(rest / 1000)
        finally:
            self._leave()

    async def wait_for(self, request: InputRequested) -> object:
        """Ask, and wait for the answer."""
        history, key = self.journal.history, request.key
        if key not in history.requests:
            self._enter()  # another branch's question, which waits already, must not unload the run
            try:
                await self.journal.append(request)
            finally:
                self._leave()
            self.tell("input_requested", key, message=request.prompt)
        if key in history.answers:
            self._trace_wait(key)
            return history.answers[key].value
        future = self._waits[key] = asyncio.get_running_loop().create_future()
        self._watch_for_quiet()
        try:
            value = await future
        finally:
            del self._waits[key]
        self._trace_wait(key)
        return value

    def _trace_wait(self, key: str) -> None:
        """Note how long the run waited for an answer. A replay notes the same span again."""
        request = self.journal.history.requests[key]
        span = self._tracer.start(
            key,
            kind="wait",
            span_id=derived_span_id(self.run_id, key),
            start_ns=request.at * 1_000_000,
        )
        span.end((request.answered_at or request.at) * 1_000_000)

    def tell(
        self,
        kind: ProgressKind,
        path: str,
        *,
        visit: int = 1,
        message: str = "",
        seconds: float = 0,
        meta: Meta | None = None,
    ) -> None:
        """Tell the onlooker, if there is one."""
        if self._observer is not None:
            self._observer(
                Progress(
                    run_id=self.run_id, kind=kind, path=path, visit=visit, message=message,
                    seconds=seconds, meta=meta or {},
                )
            )  # fmt: skip

    async def _guard_once(self, call: StepCall) -> None:
        """Ask a person if the step was already under way when its process died."""
        if (call.path, call.visit) not in self.journal.history.started:
            started = StepStarted(at=self.clock.now_ms(), path=call.path, visit=call.visit)
            await self.journal.append(started)
            return
        answer = await self.wait_for(
            InputRequested(
                at=self.clock.now_ms(),
                key=f"{call.path}#{call.visit}!interrupted",
                prompt=f"{call.path!r} must not run twice and was under way when its process died. "
                f"Run it again ({AGAIN!r}) or fail the run ({FAIL!r})?",
                schema={"type": "string", "enum": [AGAIN, FAIL]},
            )
        )
        if answer != AGAIN:
            error = StepInterrupted(f"{call.path} was under way when its process died")
            raise StepFailed(call.path, describe_error(error))

    def _tell_finished(self, done: StepFinished) -> None:
        self.tell(
            "step_finished" if done.error is None else "step_failed",
            done.path,
            visit=done.visit,
            message="" if done.error is None else str(done.error["message"]),
            seconds=done.took / 1000,
            meta=done.meta,
        )

    def _enter(self) -> None:
        """Keep the run from being unloaded: something is under way."""
        self._busy += 1
        self._moves += 1

    def _leave(self) -> None:
        """Note that something has ended."""
        self._busy -= 1
        self._moves += 1
        if self._waits:
            self._watch_for_quiet()

    def _watch_for_quiet(self) -> None:
        self._moves += 1
        loop = asyncio.get_running_loop()
        loop.call_later(QUIET_SECONDS, self._unload_if_quiet, self._moves)

    def _unload_if_quiet(self, moves: int) -> None:
        unanswered = any(not future.done() for future in self._waits.values())
        if moves == self._moves and not self._busy and unanswered:
            self.halt(Stop.UNLOAD)
