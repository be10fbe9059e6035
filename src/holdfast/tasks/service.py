"""The verbs of tasks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from holdfast.clock import Clock
from holdfast.late import Late
from holdfast.storage.seam import Store
from holdfast.tasks.record import LOCAL_OWNER, Relation, Task, Variable, Visibility
from holdfast.tasks.requests import Actor, Binding, Changes, Filter, Limits, NewTask

if TYPE_CHECKING:
    from holdfast.tasks import (
        checks,
        creation,
        dependencies,
        ending,
        leasing,
        linking,
        listing,
        loading,
        merges,
        quotas,
        reading,
        repairing,
        restoring,
        sharing,
        sweeping,
        unit,
        variables,
        working,
    )
    from holdfast.tasks.events import Event
    from holdfast.tasks.repairing import Repaired
    from holdfast.tasks.sweeping import Swept
    from holdfast.tasks.unit import Unit
    from holdfast.tasks.variables import VariableChange, VariableConflicts
else:  # one verb needs a few of them, and a command does one thing
    checks = Late("holdfast.tasks.checks")
    creation = Late("holdfast.tasks.creation")
    dependencies = Late("holdfast.tasks.dependencies")
    ending = Late("holdfast.tasks.ending")
    leasing = Late("holdfast.tasks.leasing")
    linking = Late("holdfast.tasks.linking")
    listing = Late("holdfast.tasks.listing")
    loading = Late("holdfast.tasks.loading")
    merges = Late("holdfast.tasks.merges")
    quotas = Late("holdfast.tasks.quotas")
    reading = Late("holdfast.tasks.reading")
    repairing = Late("holdfast.tasks.repairing")
    restoring = Late("holdfast.tasks.restoring")
    sharing = Late("holdfast.tasks.sharing")
    sweeping = Late("holdfast.tasks.sweeping")
    unit = Late("holdfast.tasks.unit")
    variables = Late("holdfast.tasks.variables")
    working = Late("holdfast.tasks.working")

T = TypeVar("T")
LEASE_MS = 60_000
_NOBODY = Actor()


class Tasks:
    """The tasks of one owner, on behalf of one actor.

        tasks = Tasks(store, clock=clock, actor=Actor(by="ann", via="cli"))
        task = await tasks.create(NewTask(name="write the report"))
        await tasks.start(task.id)

    Every change is one batch: events that are appended to the log of the task, its record, and what
    is derived from it. A change that meets another one is decided again on what that one made.
    `fence` is the number of the caller's claim; without one, what only the holder may do is refused
    while somebody other than the actor holds the task.

    All verbs raise `TaskNotFound` for a task that the owner does not have, `TaskConflict` where the
    state does not allow what is asked (what has ended never changes), `LeaseLost` for a number that
    is not the newest, and `InputError` for what cannot be stored.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        owner: str = LOCAL_OWNER,
        actor: Actor = _NOBODY,
        limits: Limits | None = None,
    ) -> None:
        if owner != LOCAL_OWNER:
            checks.check_owner(owner)
        self.owner = owner
        self.actor = actor
        self.limits = limits or Limits()
        self._store = store
        self._clock = clock
        self._binding = Binding(owner=owner, actor=actor)

    @property
    def store(self) -> Store:
        """Where the tasks are, for what stands beside them."""
        return self._store

    def acting(self, *, owner: str | None = None, actor: Actor | None = None) -> Tasks:
        """Return the verbs for another owner, or on behalf of another actor."""
        return Tasks(
            self._store,
            clock=self._clock,
            owner=self.owner if owner is None else owner,
            actor=actor or self.actor,
            limits=self.limits,
        )

    async def create(self, new: NewTask) -> Task:
        """Make a task, or return the one that an earlier request with this `key` has made.

        Raises:
            QuotaExceeded: the owner has as much as it may have.
            TaskNotFound: a task that the new one is to depend on is not there.
        """
        return await self._change(lambda unit: creation.create(unit, new, self.limits))

    async def restore(self, events: Sequence[Event]) -> Task:
        """Make a task of this owner with the history that it brings, for an import.

        The first event is a `Created`, whose id nobody has yet. What it depends on may be missing.
        Its `key`, if it has one, is that of a request which has made no task yet.
        """
        return (await self.restore_all([events]))[0]

    async def restore_all(self, histories: Sequence[Sequence[Event]]) -> Sequence[Task]:
        """Make several tasks with their histories, all or none; one batch of the store holds them."""
        return await self._change(lambda unit: restoring.restore(unit, histories))

    async def extend(self, task_id: str, events: Sequence[Event]) -> Task:
        """Let more of a history happen to a task, all or nothing, for an import that is repeated."""
        return await self._change(lambda unit: restoring.extend(unit, task_id, events))

    async def made_by(self, key: str) -> str | None:
        """Return the id of the task that the request with this `key` made; None if none is there."""
        return await restoring.made_by(self._store, self.owner, key)

    async def get(self, task_id: str) -> Task:
        """Return a task by its whole id."""
        return await reading.read(self._store, self._binding, task_id)

    async def find(self, prefix: str) -> str:
        """Return the one id that begins with `prefix`.

        Raises:
            TaskNotFound: none does, or several do; then the hint lists them.
        """
        return await reading.find(self._store, self.owner, prefix)

    async def update(self, task_id: str, changes: Changes, *, fence: int | None = None) -> Task:
        """Change what a task says about itself."""
        return await self._change(lambda unit: working.update(unit, task_id, changes, fence=fence))

    async def start(self, task_id: str, message: str = "", *, fence: int | None = None) -> Task:
        """Begin with a task, without a lease; `message` becomes its status message."""
        return await self._change(lambda unit: working.start(unit, task_id, message, fence=fence))

    async def progress(
        self,
        task_id: str,
        done: float,
        total: float | None = None,
        message: str = "",
        *,
        fence: int | None = None,
    ) -> Task:
        """Say how far the work has come."""
        return await self._change(
            lambda unit: working.progress(
                unit, task_id, done, total=total, message=message, fence=fence
            )
        )

    async def note(self, task_id: str, text: str) -> Task:
        """Write something down in the history of a task."""
        return await self._change(lambda unit: working.note(unit, task_id, text))

    async def require_input(
        self,
        task_id: str,
        key: str,
        prompt: str,
        schema: Mapping[str, object] | None = None,
        *,
        fence: int | None = None,
    ) -> Task:
        """Ask for something without which the task cannot go on.

        `key` was never used in this task; `schema` is a JSON Schema of the answer.
        """
        return await self._change(
            lambda unit: working.require_input(
                unit, task_id, key, prompt, schema=schema, fence=fence
            )
        )

    async def block(self, task_id: str, reason: str, *, fence: int | None = None) -> Task:
        """Say what keeps a task from going on; it is asked under the key `blocked-N`."""
        return await self._change(lambda unit: working.block(unit, task_id, reason, fence=fence))

    async def answer(self, task_id: str, key: str, value: object) -> Task:
        """Answer what a task asked for; it goes on with the last answer."""
        return await self._change(lambda unit: working.answer(unit, task_id, key, value))

    async def complete(
        self,
        task_id: str,
        result: object = None,
        *,
        fence: int | None = None,
        begin: bool = False,
    ) -> Task:
        """End a task with a result, and release the tasks that wait for it.

        With `begin` a pending one is begun and ended at once.
        """
        return await self._change(
            lambda unit: ending.complete(unit, task_id, result, fence=fence, begin=begin),
        )

    async def fail(
        self, task_id: str, error: str | Mapping[str, object], *, fence: int | None = None
    ) -> Task:
        """End a task with an error: a text, or a mapping with a `message`.

        The tasks that wait for it are told, and go on waiting: see `Dependency.holds_up`.
        """
        return await self._change(lambda unit: ending.fail(unit, task_id, error, fence=fence))

    async def cancel(self, task_id: str, *, reason: str = "", request_only: bool = False) -> Task:
        """Call a task off, whoever holds it, and release the tasks that wait for it.

        With `request_only` whoever works on it is asked to stop, and decides when.
        """
        return await self._change(
            lambda unit: ending.cancel(unit, task_id, reason=reason, request_only=request_only),
        )

    async def set_variables(
        self,
        task_id: str,
        values: Mapping[str, object],
        *,
        expected: Mapping[str, int] | None = None,
        schemas: Mapping[str, Mapping[str, object] | None] | None = None,
        visibility: Mapping[str, Visibility] | None = None,
        fence: int | None = None,
    ) -> Task | VariableConflicts:
        """Merge values into the variables of a task, by name; None deletes one.

        `expected` are the versions that the caller decided on. If one is not what is there, nothing
        is changed and the conflicts are returned with both values.
        """
        declared = sharing.declare(schemas or {}, visibility or {})
        return await self._change(
            lambda unit: sharing.set_variables(
                unit,
                task_id,
                values,
                expected=expected or {},
                declared=declared,
                limits=self.limits,
                fence=fence,
            )
        )

    async def visible_variables(self, task_id: str) -> Mapping[str, Variable]:
        """Return the variables of a task that there are and that the actor may see."""
        return variables.visible((await self.get(task_id)).variables, self.actor)

    async def variable_history(self, task_id: str, name: str) -> Sequence[VariableChange]:
        """Return the changes of a variable, oldest first."""
        happenings = await self.history(task_id)
        counting = [each.event for each in happenings if not each.superseded]
        return sharing.changes_of(name, counting)

    async def depend(self, task_id: str, on: str, relation: Relation = Relation.BLOCKS) -> Task:
        """Let a task depend on another one; a new parent takes the place of the old one.

        Raises:
            DependencyCycle: the task would wait for itself; the message names the way.
        """
        return await self._change(lambda unit: linking.depend(unit, task_id, on, relation))

    async def undepend(self, task_id: str, on: str, relation: Relation = Relation.BLOCKS) -> Task:
        """Let a task not depend on another one any more."""
        return await self._change(lambda unit: linking.undepend(unit, task_id, on, relation))

    async def dependents(self, task_id: str) -> Sequence[tuple[Relation, str]]:
        """Return the tasks that depend on this one, with how; children are not among them."""
        await self._require(task_id)
        return await dependencies.dependents_of(self._store, self.owner, task_id)

    async def children(self, task_id: str) -> Sequence[str]:
        """Return the ids of the tasks that are a part of this one."""
        await self._require(task_id)
        return await listing.list_children(self._store, self.owner, task_id)

    async def claim(self, task_id: str, *, lease_ms: int = LEASE_MS, holder: str = "") -> Task:
        """Take a task over for `lease_ms`; `task.fence` is the number to write with.

        Raises:
            TaskBusy: somebody holds it.
        """
        return await self._change(
            lambda unit: leasing.claim(unit, task_id, lease_ms=lease_ms, holder=holder)
        )

    async def claim_next(self, *, lease_ms: int = LEASE_MS, holder: str = "") -> Task | None:
        """Take over the task that was left longest, else the most urgent that is ready, if any."""
        return await self._change(
            lambda unit: leasing.claim_next(unit, lease_ms=lease_ms, holder=holder)
        )

    async def renew(self, task_id: str, fence: int, *, lease_ms: int = LEASE_MS) -> Task:
        """Keep a claimed task for `lease_ms` from now."""
        return await self._change(
            lambda unit: leasing.renew(unit, task_id, fence, lease_ms=lease_ms)
        )

    async def release(self, task_id: str, fence: int) -> Task:
        """Let go of a claimed task, so that anybody may go on with it."""
        return await self._change(lambda unit: leasing.release(unit, task_id, fence))

    async def history(
        self, task_id: str, *, after: int = 0, limit: int | None = None
    ) -> Sequence[reading.Happening]:
        """Return what happened to a task, oldest first."""
        return await reading.history(self._store, self._binding, task_id, after=after, limit=limit)

    async def list(
        self, wanted: Filter | None = None, *, limit: int = 50, cursor: str = ""
    ) -> listing.Page:
        """Return the newest tasks that fit, and the cursor for those behind them."""
        return await listing.list_tasks(
            self._store, self.owner, wanted or Filter(), limit=limit, cursor=cursor
        )

    async def ready(self, limit: int = 50) -> Sequence[listing.Summary]:
        """Return what can be begun: the most urgent first, and of these the oldest."""
        return await listing.list_ready(self._store, self.owner, limit=limit)

    async def stats(self) -> listing.Stats:
        """Return what there is of tasks in numbers."""
        return await listing.count(self._store, self.owner)

    def watch(self, task_id: str) -> AsyncGenerator[Task]:
        """Give a task now and whenever it has changed, until it has ended or expired."""
        return reading.watch(self._store, self._clock, self._binding, task_id)

    async def sweep(self, limit: int = 100) -> Swept:
        """Remove what expired tasks of all owners leave behind; see `holdfast.tasks.sweeping`."""
        return await sweeping.sweep(self._store, self._clock, limit=limit)

    async def repair(self, *, dry_run: bool = False) -> Repaired:
        """Make the records and indexes of all owners anew from the logs."""
        return await repairing.repair(self._store, self._clock, dry_run=dry_run)

    async def settle_merges(self) -> Repaired | None:
        """Repair the tasks if the store was merged with a clone since the last time."""
        return await merges.settle_merges(self._store, self._clock)

    async def _change(self, decide: Callable[[Unit], Awaitable[T]]) -> T:
        desk = unit.Desk(self._store, self._clock, self._binding, self._settle)
        answer = await desk.change(decide)
        if isinstance(answer, Task) and self.actor.is_client:
            return reading.shown(answer, self._binding)  # pyright: ignore[reportReturnType]
        return answer

    async def _settle(self, change: Unit) -> None:
        await quotas.settle_quota(change, self.limits)

    async def _require(self, task_id: str) -> None:
        if await loading.read_task(self._store, self.owner, task_id) is None:
            raise loading.not_found(task_id)
