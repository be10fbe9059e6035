"""The embedded engine: runs live in this process and in the store, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from holdfast.clock import Clock
from holdfast.engine import outside
from holdfast.engine.active import ActiveRun, Stop
from holdfast.engine.context import EmbeddedContext
from holdfast.engine.endings import VIA, ending_of
from holdfast.engine.events import as_json
from holdfast.engine.history import History
from holdfast.engine.holders import Holder
from holdfast.engine.journal import Journal, load_history
from holdfast.engine.seam import Inputs, Observer, Program
from holdfast.engine.slots import Slots
from holdfast.errors import (
    LeaseLost,
    ProgramError,
    RunBusy,
    RunConflict,
    RunNotFound,
    StorageError,
)
from holdfast.ids import new_run_id
from holdfast.storage.liveness import Liveness, NoLiveness
from holdfast.storage.seam import Store
from holdfast.tasks.codec import plain
from holdfast.tasks.events import (
    Cancelled,
    Claimed,
    Created,
    Event,
    Released,
)
from holdfast.tasks.quotas import settle_quota
from holdfast.tasks.record import LOCAL_OWNER, RunDetails
from holdfast.tasks.requests import Actor, Binding, Limits
from holdfast.tasks.summaries import Summary
from holdfast.tasks.unit import Desk, Unit
from holdfast.tracing.tracer import Tracer

PULSE_SECONDS = 0.25
"""How often the engine looks for news from other processes."""


class EmbeddedEngine:
    """Run programs in this process, journaled in `store`. Use it as an async context manager.

    At most `concurrency` steps run at once. With `adopt` the engine takes over, all the time it is
    open, every run whose process has died. `labels` are attributes of the spans of all runs.
    """

    def __init__(  # noqa: PLR0913 - what it needs is given by keyword
        self,
        store: Store,
        programs: Mapping[str, Program],
        *,
        clock: Clock,
        tracer: Tracer,
        liveness: Liveness | None = None,
        observer: Observer | None = None,
        lease_seconds: float = 15.0,
        concurrency: int = 40,
        adopt: bool = False,
        owner: str = LOCAL_OWNER,
        limits: Limits | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._programs = programs
        self._clock = clock
        self._tracer = tracer
        self._observer = observer
        self._adopt = adopt
        self._owner = owner
        self._limits = limits or Limits()
        self._labels = labels or {}
        binding = Binding(owner=owner, actor=Actor(via=VIA))
        self._desk = Desk(store, clock, binding, self._settle_quota)
        self._slots = Slots(concurrency)
        self._holder = Holder(
            store, clock=clock, liveness=liveness or NoLiveness(), lease_seconds=lease_seconds
        )
        self._active: dict[str, ActiveRun] = {}
        self._drivers: dict[str, asyncio.Task[History]] = {}
        self._pulse: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._adopt:
            await self._beat()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pulse is not None:
            self._pulse.cancel()
            await asyncio.wait([self._pulse])
        for run in list(self._active.values()):
            run.halt(Stop.RELEASE)
        await asyncio.gather(*self._drivers.values(), return_exceptions=True)
        with suppress(StorageError):
            await self._holder.retire()

    async def start(
        self,
        program: str,
        inputs: Inputs,
        *,
        name: str = "",
        definition: bytes = b"",
        origin: str = "",
        timeout: float | None = None,
    ) -> str:
        run = RunDetails(program=program, inputs=inputs, origin=origin, timeout=timeout)
        return await self._begin(name or program, run, definition, [])

    async def fork(
        self, run_id: str, *, keep: Callable[[str], bool], definition: bytes | None = None
    ) -> str:
        source = await self.history(run_id)
        birth = source.birth
        run = RunDetails(
            program=birth.program,
            inputs=birth.inputs,
            origin=birth.origin,
            timeout=birth.timeout,
            forked_from=run_id,
        )
        if definition is None:
            definition = await outside.load_definition(self._store, source.definition)
        return await self._begin(birth.name, run, definition, outside.remembered(source, keep))

    async def _begin(
        self, name: str, run: RunDetails, definition: bytes, known: Sequence[Event]
    ) -> str:
        """Write the first events of a run, work on it, and return its id."""
        self._program(run.program)
        await self._beat()
        run = replace(run, definition=await outside.store_definition(self._store, definition))
        now, run_id = self._clock.now_ms(), new_run_id()
        created = Created(
            at=now, id=run_id, owner=self._owner, name=name, run=_members(run), via=VIA
        )
        claimed = Claimed(via=VIA, at=now, holder=self._holder.id, fence=1)
        history = await outside.create(self._desk, run_id, [created, claimed, *known])
        self._drive(history, definition)
        return run_id

    async def resume(self, run_id: str, *, definition: bytes | None = None) -> None:
        if run_id in self._active:
            raise RunBusy(f"run {run_id} is already being worked on by this process")
        self._program((await self.history(run_id)).birth.program)
        await self._beat()
        history = await outside.claim(
            self._store, self._holder, run_id, now=self._clock.now_ms(), definition=definition
        )
        self._drive(history, await outside.load_definition(self._store, history.definition))

    async def settle(self, run_id: str) -> History:
        driver = self._drivers.get(run_id)
        if driver is None:
            return await self.history(run_id)
        await asyncio.wait([driver])
        return driver.result()

    async def answer(self, run_id: str, key: str, value: object, *, by: str = "") -> History:
        history = await outside.answer(
            self._store, run_id, key, value, now=self._clock.now_ms(), by=by
        )
        await self._tell_holder(history)
        return history

    async def cancel(self, run_id: str, *, by: str = "") -> History:
        history = await outside.cancel(
            self._store, self._holder, run_id, now=self._clock.now_ms(), by=by
        )
        await self._tell_holder(history)
        if run_id in self._active:
            return await self.settle(run_id)
        return history

    async def history(self, run_id: str) -> History:
        return await load_history(self._store, run_id)

    async def find(self, prefix: str) -> str:
        return await outside.find(self._store, self._owner, prefix)

    async def list_runs(self, *, limit: int) -> Sequence[Summary]:
        return await outside.list_runs(self._store, self._owner, limit=limit)

    @property
    def active_runs(self) -> Sequence[str]:
        """The runs that this process works on now."""
        return tuple(self._active)

    async def is_held(self, history: History) -> bool:
        """Whether a live process works on the run."""
        return await self._holder.is_alive(history.holder)

    async def orphans(self) -> Sequence[str]:
        """Return the runs that could go on and that no live process holds."""
        return await outside.orphans(self._store, self._owner, self._holder)

    async def heal(self, run_id: str) -> None:
        """Bring the record of a run up to its log, where a crash left it behind."""
        await outside.heal(self._store, self._owner, run_id)

    async def recover(self) -> Sequence[str]:
        taken: list[str] = []
        for run_id in await self.orphans():
            try:
                await self.resume(run_id)
            except (RunBusy, RunNotFound):
                continue  # somebody was quicker, or died before the run was there
            except RunConflict:
                await self.heal(run_id)
            else:
                taken.append(run_id)
        return taken

    async def _settle_quota(self, unit: Unit) -> None:
        await settle_quota(unit, self._limits)

    def _program(self, name: str) -> Program:
        try:
            return self._programs[name]
        except KeyError:
            known = ", ".join(map(repr, self._programs)) or "none"
            raise ProgramError(
                f"there is no program {name!r} in this process; known: {known}",
                hint="open the engine with the program that the run was started with",
            ) from None

    async def _beat(self) -> None:
        await self._holder.renew()
        if self._pulse is None:
            self._pulse = asyncio.create_task(self._pulse_forever())

    async def _pulse_forever(self) -> None:
        try:
            while True:
                with suppress(StorageError):  # the journals of the runs will say so themselves
                    await self._beat_once()
                await self._clock.sleep(PULSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - no heartbeat, no work
            for run in list(self._active.values()):
                self._break(run, error)

    async def _beat_once(self) -> None:
        await self._holder.renew()
        for run_id in await self._holder.news():
            await self._catch_up(run_id)
        if self._adopt:
            await self.recover()

    async def _tell_holder(self, history: History) -> None:
        """Let whoever works on a run know that its log has news."""
        run_id = history.birth.id
        if run_id in self._active:
            await self._catch_up(run_id)
        elif history.holder is not None and await self.is_held(history):
            await self._holder.poke(history.holder, run_id)

    async def _catch_up(self, run_id: str) -> None:
        run = self._active.get(run_id)
        if run is None:
            return
        try:
            await run.journal.catch_up()
        except Exception as error:  # noqa: BLE001 - the run's driver is where it belongs
            self._break(run, error)

    def _break(self, run: ActiveRun, error: Exception) -> None:
        run.journal.broken = error
        run.halt(Stop.RELEASE)

    def _drive(self, history: History, definition: bytes) -> None:
        run_id = history.birth.id
        journal = Journal(self._store, history)
        self._active[run_id] = ActiveRun(
            journal,
            clock=self._clock,
            tracer=self._tracer,
            observer=self._observer,
            definition=definition,
            slots=self._slots,
        )
        driver = asyncio.create_task(self._work(self._active[run_id]))
        driver.add_done_callback(lambda task: self._forget(run_id, task))
        self._drivers[run_id] = driver

    def _forget(self, run_id: str, driver: asyncio.Task[History]) -> None:
        del self._active[run_id]
        if driver.cancelled() or driver.exception() is None:
            del self._drivers[run_id]  # one that failed is kept, so that settle() can say why

    async def _work(self, run: ActiveRun) -> History:
        """Run the program until it ends, waits for answers only, or is stopped."""
        while True:
            if run.journal.history.cancel_requested:
                ending: Event = Cancelled(via=VIA, at=self._clock.now_ms())
            else:
                ending = await self._run_once(run)
            if run.journal.broken is not None:
                raise run.journal.broken
            if run.journal.history.ended_at is not None:
                return run.journal.history  # somebody else ended it
            await run.journal.append(ending)
            if not isinstance(ending, Released) or not self._can_go_on(run):
                return run.journal.history
            try:
                await self._take_back(run)
            except LeaseLost:
                return run.journal.history  # whoever answered goes on with it

    def _can_go_on(self, run: ActiveRun) -> bool:
        """Whether an answer came while the run was being unloaded."""
        return run.stop is Stop.UNLOAD and not run.journal.history.open_requests

    async def _take_back(self, run: ActiveRun) -> None:
        history = run.journal.history
        await run.journal.append(
            Claimed(
                via=VIA, at=self._clock.now_ms(), holder=self._holder.id, fence=history.fence + 1
            )
        )
        run.stop = None

    async def _run_once(self, run: ActiveRun) -> Event:
        run.main = asyncio.create_task(self._call_program(run))
        if run.stop is not None:
            run.main.cancel()
        try:
            done, _ = await asyncio.wait([run.main], timeout=self._time_left(run))
        except asyncio.CancelledError:
            run.main.cancel()
            raise
        if not done:
            run.main.cancel()
            await asyncio.wait([run.main])
        await run.journal.idle()
        limit = None if done else run.journal.history.birth.timeout
        return ending_of(run.main, stop=run.stop, exceeded=limit, now=self._clock.now_ms())

    async def _call_program(self, run: ActiveRun) -> object:
        birth = run.journal.history.birth
        program = self._programs[birth.program]
        with self._tracer.span(
            birth.name, kind="run", trace_id=run.run_id, workflow=birth.name, user=self._owner,
            **self._labels,
        ) as span:  # fmt: skip
            try:
                return await program(EmbeddedContext(run), birth.inputs)
            except asyncio.CancelledError:
                if run.stop in (Stop.UNLOAD, Stop.RELEASE):  # it goes on later: nothing went wrong
                    span.set(stopped=str(run.stop))
                    span.end()
                raise

    def _time_left(self, run: ActiveRun) -> float | None:
        history = run.journal.history
        limit = history.birth.timeout
        return None if limit is None else max(0.0, limit - history.worked_ms / 1000)


def _members(run: RunDetails) -> dict[str, object]:
    members = plain(run)
    as_json(members, what="the inputs")
    return members
