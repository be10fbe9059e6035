"""Say how work stands, so that whoever comes next can go on: `take_up`.

What was in progress, what waits for an answer, what was decided and what is next, within a number of
characters; what does not fit is named (`holdfast.tasks.sessions.fitting`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.clock import Clock
from holdfast.storage.seam import Store
from holdfast.tasks.codec import to_json
from holdfast.tasks.record import LOCAL_OWNER
from holdfast.tasks.sessions.drafting import Item, Section
from holdfast.tasks.sessions.events import Decided, Noted
from holdfast.tasks.sessions.fitting import Fitted, fit
from holdfast.tasks.sessions.record import Session
from holdfast.tasks.sessions.work import Active, Living, Waiting, Work, load_work
from holdfast.tasks.summaries import Summary
from holdfast.tasks.view import iso

BUDGET = 8_000
"""The characters that a resume takes if nothing else is said."""

_BRIEF = 120
_LAST_NOTES = 3
_FAILED = "a task that it waits for has failed: somebody has to decide"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """How the work stands: as a text within a budget, and the values that it was made of."""

    fitted: Fitted
    work: Work


async def take_up(
    store: Store,
    *,
    clock: Clock,
    owner: str = LOCAL_OWNER,
    session: str = "",
    budget: int = BUDGET,
    is_alive: Living | None = None,
) -> Resume:
    """Return how the work of a session stands, or that of the whole project without one.

    `session` is a whole id. `budget` is the most characters of the text. `is_alive` knows of leases
    that have no end, as those of runs.

    Raises:
        SessionNotFound: the owner has no such session.
        UsageError: the budget is too small to say even what there is.
    """
    work = await load_work(
        store, owner=owner, session=session, now=clock.now_ms(), is_alive=is_alive
    )
    return Resume(fitted=fit(head_of(work), sections_of(work), budget), work=work)


def head_of(work: Work) -> str:
    """Return the lines that a resume begins with: which work it is, and how much of it there is."""
    numbers = [
        *_counts(
            (len(work.active), "in progress"),
            (len(work.waiting), "waiting for an answer"),
            (len(work.ready), "ready"),
            (len(work.blocked), "blocked"),
        ),
        *_counts(*((number, state.value) for state, number in sorted(work.ended.items()))),
    ]
    tasks = f"tasks: {', '.join(numbers) or 'none'}"
    if work.story is None:
        return f"the whole project: no session was chosen\nopen {tasks}"
    session = work.story.session
    since = f"open since {stamp(session.started_at)}"
    if session.ended_at is not None:
        since = f"ended {stamp(session.ended_at)}"
    return f"session {_clean(session.name)} ({session.id[:8]}), {since}\n{tasks}"


def sections_of(work: Work) -> list[Section]:
    """Return what a resume has to say, the most important first."""
    session = work.story.session if work.story else None
    mine = f" --session {session.id[:8]}" if session else ""
    show = f"holdfast session show {session.id[:8]}" if session else ""
    notes = work.story.notes if work.story else ()
    decisions = work.story.decisions if work.story else ()
    listing = f"holdfast task list{mine} --state"
    return [
        _section("about", "About", _about(session) if session else (), show, rank=1),
        _section("in_progress", "In progress", map(_active, work.active), f"{listing} working"),
        _section(
            "waiting",
            "Waits for an answer",
            map(_waiting, work.waiting),
            f"{listing} input_required",
        ),
        _section(
            "decided", "Decided, newest first", (_decision(*each) for each in decisions[::-1]), show
        ),
        _section("next", "Next", map(_task, work.ready), f"holdfast task ready{mine}"),
        _section(
            "notes", "Notes, newest first", (_note(*each) for each in notes[::-1]), show, rank=1
        ),
        _section("blocked", "Blocked", map(_blocked, work.blocked), f"{listing} pending", rank=1),
        _section("context", "Context", _context(session) if session else (), show, rank=2),
        _section(
            "sessions",
            "Open sessions",
            map(_session, work.sessions),
            "holdfast session list",
            rank=1,
        ),
    ]


def _section(name: str, title: str, items: Iterable[Item], more: str, rank: int = 0) -> Section:
    return Section(name=name, title=title, items=list(items), more=more, rank=rank)


def _about(session: Session) -> Iterator[Item]:
    if session.goal:
        yield _item("goal", "goal", f"goal: {session.goal}")
    for number, each in enumerate(session.scope.includes, 1):
        yield _item(f"includes-{number}", f"in {number}", f"belongs to it: {each}")
    for number, each in enumerate(session.scope.excludes, 1):
        yield _item(f"excludes-{number}", f"out {number}", f"does not: {each}")
    if session.summary:
        yield _item("summary", "summary", f"summary: {session.summary}")
    if session.left_count:
        text = f"tasks that were open at the end: {session.left_count}"
        yield _item("left", "left", text)


def _context(session: Session) -> Iterator[Item]:
    for name, value in session.context.items():
        shown = value if isinstance(value, str) else to_json(value, what="a value")
        yield _item(f"context-{name}", name, f"{name} = {shown}")
    for path, touch in list(session.files.items())[::-1]:
        yield _item(f"file-{path}", path, f"file {path} ({stamp(touch.at)})")


def _active(active: Active) -> Item:
    """Say a task that was begun, with its last notes."""
    task, notes = active.task, active.notes
    lines = [_standing(active)]
    if task.status_message:
        lines.append(task.status_message)
    if task.progress:
        done, total = task.progress
        lines.append(f"progress: {done:g}" + ("" if total is None else f" of {total:g}"))
    if len(notes) > _LAST_NOTES:
        earlier = len(notes) - _LAST_NOTES
        lines.append(f"{earlier} earlier notes: holdfast task history {task.id[:8]}")
    lines += (f"{_signed(each.at, each.by)}: {each.text}" for each in notes[-_LAST_NOTES:])
    return _task(task, *lines)


def _standing(active: Active) -> str:
    task = active.task
    if task.kind == "run":
        again = f"no process works on it; to go on: holdfast resume {task.id[:8]}"
        return again if active.is_abandoned else "a process works on it"
    if not task.holder:
        return f"begun {stamp(task.started_at or task.updated_at)}"
    if active.is_abandoned:
        return f"left by {task.holder}, to be taken over: holdfast task claim {task.id[:8]}"
    until = "" if task.lease_until is None else f" until {stamp(task.lease_until)}"
    return f"held by {task.holder}{until}"


def _waiting(waiting: Waiting) -> Item:
    task = waiting.task
    answer = f"holdfast task answer {task.id[:8]}"
    if task.kind == "run":
        answer = f"holdfast answer {task.id[:8]}"
    asked = [f"{key}: {each.prompt}" for key, each in waiting.requests.items()]
    return _task(task, *asked, f"to answer: {answer} …")


def _task(task: Summary, *more: str) -> Item:
    tags = "".join(f" +{tag}" for tag in task.tags)
    first = f"{task.id[:8]} P{task.priority} {task.name}{tags}"
    return _item(task.id, task.id[:8], first, *(each for each in more if each))


def _blocked(task: Summary) -> Item:
    return _task(task, _FAILED if task.failed_blockers else "")


def _decision(number: int, event: Decided) -> Item:
    more = [f"because: {event.reason}"] if event.reason else []
    more += (f"instead of: {each}" for each in event.alternatives)
    more += [f"task {event.task[:8]}"] if event.task else []
    more.append(_signed(event.at, event.by))
    return _item(str(number), f"#{number}", f"#{number} {event.text}", *more)


def _note(number: int, event: Noted) -> Item:
    about = f" (task {event.task[:8]})" if event.task else ""
    text = f"#{number} {_signed(event.at, event.by)}{about}: {event.text}"
    return _item(str(number), f"#{number}", text)


def _session(session: Session) -> Item:
    first = f"{session.id[:8]} {session.name}, open since {stamp(session.started_at)}"
    return _item(session.id, session.id[:8], first, *([session.goal] if session.goal else []))


def _item(item_id: str, label: str, first: str, *more: str) -> Item:
    """Return an item of one line, and of further lines below it if it is said whole."""
    whole = ["- " + _indent(first), *("  " + _indent(each) for each in more)]
    text = "\n".join(whole)
    line = whole[0].partition("\n")[0]
    brief = f"{line[:_BRIEF]} […]"
    return Item(
        id=item_id, label=_clean(label), whole=text, brief=brief if len(brief) < len(text) else text
    )


def _indent(text: str) -> str:
    lines = [_clean(line) for line in text.splitlines()]
    return "\n  ".join(lines)


def _clean(text: str) -> str:
    """Return a line with its control characters made visible, so that its length is what is printed."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _signed(at: int, by: str) -> str:
    return f"{stamp(at)} {by}".rstrip()


def stamp(at: int) -> str:
    """Return an instant to the minute: the same text everywhere."""
    return iso(at)[:16].replace("T", " ") + "Z"


def _counts(*pairs: tuple[int, str]) -> Iterable[str]:
    return (f"{number} {what}" for number, what in pairs if number)
