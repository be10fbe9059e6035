"""What the engine adds to the events that can happen to a task.

A run is a task (`holdfast.tasks.events`), and its log holds both. Importing this module lets
whoever reads the log of a task understand the events of the engine too. Times are milliseconds of the
epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

from holdfast.errors import InputError, ProgramError
from holdfast.frozen import field, frozen, replace, slotted
from holdfast.tasks.codec import quote, to_json
from holdfast.tasks.events import Event, register
from holdfast.tasks.evolving import pass_time
from holdfast.tasks.fold import teach
from holdfast.tasks.record import RunDetails, Task

Meta = Mapping[str, object]


@frozen
class StepStarted:
    """An at-most-once step is about to run; nothing else journals its start."""

    kind: ClassVar[str] = "step_started"
    at: int
    path: str
    visit: int


@frozen
class StepFinished:
    """A step ended, with a result or with an error. `meta` holds its cost, model and so on.

    It took `took` milliseconds, with all attempts and the rests between them.
    """

    kind: ClassVar[str] = "step_finished"
    at: int
    path: str
    visit: int
    took: int = 0
    attempts: int = 1
    result: object = None
    error: Meta | None = None
    meta: Meta = field(default_factory=dict[str, object])


@frozen
class TimerSet:
    """The run sleeps until an instant; a crash does not make it sleep longer."""

    kind: ClassVar[str] = "timer_set"
    at: int
    path: str
    visit: int
    until: int


@frozen
class Redefined:
    """The run goes on with another definition than it started with."""

    kind: ClassVar[str] = "redefined"
    at: int
    definition: str


def as_json(value: object, *, what: str) -> str:
    """Return `value` as compact JSON.

    Raises:
        ProgramError: it is not made of JSON's types; the message begins with `what`.
    """
    try:
        return to_json(value, what=what)
    except InputError as error:
        raise ProgramError(
            error.message.replace("cannot be stored", "cannot be journaled"),
            hint="return None, bool, int, float (finite), str, or lists and dicts of these",
        ) from error


@slotted
class Tally:
    """What finished steps and the time that passed with them add to a run."""

    steps: int = 0
    cost_msat: int = 0
    cost_known: bool = True
    at: int = 0

    def count(self, events: Sequence[StepStarted | StepFinished | TimerSet]) -> None:
        """Take in events."""
        self.at = max(self.at, *[event.at for event in events])
        finished = [event for event in events if type(event) is StepFinished]
        self.steps += len(finished)
        for event in finished:
            if event.meta:
                self._add_cost(event.meta)

    def add_to(self, task: Task) -> Task:
        """Return the run with all that was counted."""
        run = task.run
        if run is not None and self.steps:
            run = replace(
                run,
                steps=run.steps + self.steps,
                cost_msat=run.cost_msat + self.cost_msat,
                cost_known=run.cost_known and self.cost_known,
            )
        return pass_time(replace(task, run=run), self.at)

    def _add_cost(self, meta: Meta) -> None:
        cost = meta.get("cost_msat", 0)
        if cost is None:
            self.cost_known = False
        else:
            self.cost_msat += cast("int", cost)


def _encode_step(event: Event, prev: str) -> bytes:
    """Do what `encode_event` does, for the event that there is most of, in half the time."""
    step = cast("StepFinished", event)
    text = (
        f'{{"event":"step_finished","prev":"{prev}","at":{step.at},"path":{quote(step.path)},'
        f'"visit":{step.visit}'
    )
    if step.took:
        text += f',"took":{step.took}'
    if step.attempts != 1:
        text += f',"attempts":{step.attempts}'
    if step.result is not None:
        text += f',"result":{as_json(step.result, what="the result")}'
    if step.error is not None:
        text += f',"error":{as_json(step.error, what="the error")}'
    if step.meta:
        text += f',"meta":{as_json(step.meta, what="what is told of the step")}'
    return (text + "}").encode("utf-8", "surrogatepass")


def _tell(task: Task, event: Event) -> Task:
    tally = Tally()
    tally.count([cast("StepFinished", event)])
    return tally.add_to(task)


def _redefine(task: Task, event: Event) -> Task:
    run = cast("RunDetails", task.run)
    definition = cast("Redefined", event).definition
    return pass_time(replace(task, run=replace(run, definition=definition)), event.at)


register(StepStarted, TimerSet, Redefined)
register(StepFinished, encode=_encode_step)
for _kind in (StepStarted, StepFinished, TimerSet):
    teach(_kind, _tell)
teach(Redefined, _redefine)
