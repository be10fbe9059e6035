"""Sessions as people and other programs see them: JSON with times in ISO 8601. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.tasks.codec import defaults
from holdfast.tasks.sessions.events import SessionEvent
from holdfast.tasks.sessions.fold import Story
from holdfast.tasks.sessions.record import Session
from holdfast.tasks.state import TaskState
from holdfast.tasks.summaries import Summary
from holdfast.tasks.view import describe, iso

IN_PROGRESS = "in_progress"
"""What `working` is called in the shape of `describe_work`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the memory of the project adds to a session: lines, the newest first."""

    project_type: str | None = None
    decisions: Sequence[str] = ()
    patterns: Sequence[str] = ()


def describe_session(session: Session, *, is_current: bool) -> dict[str, object]:
    """Return a session without its history."""
    return {
        "id": session.id,
        "owner": session.owner,
        "name": session.name,
        "state": session.state.value,
        "is_current": is_current,
        "goal": session.goal,
        "scope": {
            "includes": list(session.scope.includes),
            "excludes": list(session.scope.excludes),
        },
        "context": dict(session.context),
        "files": {
            path: {"at": iso(touch.at), "task": touch.task or None}
            for path, touch in session.files.items()
        },
        "notes": session.notes,
        "decisions": session.decisions,
        "scope_changes": session.scope_changes,
        "started_at": iso(session.started_at),
        "updated_at": iso(session.updated_at),
        "ended_at": None if session.ended_at is None else iso(session.ended_at),
        "summary": session.summary,
        "left_open": {"count": session.left_count, "ids": list(session.left)},
    }


def describe_work(
    story: Story, tasks: Sequence[Summary], remembered: Remembered, *, is_current: bool
) -> dict[str, object]:
    """Return a session with its tasks in the shape of a `current.json`, and all else beside.

    The members `session_id`, `started_at`, `current_task`, `completed_tasks` and `memory` are those of
    that file: `current_task` is the task that was begun last and is not finished.
    """
    session, project_type = story.session, story.session.context.get("project_type")
    current = current_task(tasks)
    done = [each for each in reversed(tasks) if each.state is TaskState.COMPLETED]
    shape = {
        "session_id": session.id,
        "started_at": iso(session.started_at),
        "current_task": _current(story, current) if current else None,
        "completed_tasks": [_completed(each) for each in done],
        "memory": {
            "project_type": remembered.project_type if project_type is None else project_type,
            "key_decisions": [
                *(event.text for _, event in story.decisions),
                *remembered.decisions,
            ],
            "learned_patterns": list(remembered.patterns),
        },
    }
    said = {
        "notes": [{"number": number, **describe_event(event)} for number, event in story.notes],
        "decisions": [
            {"number": number, **describe_event(event)} for number, event in story.decisions
        ],
        "scope_changes": [describe_event(event) for event in story.scope_changes],
    }
    others = [each for each in tasks if each.state is not TaskState.COMPLETED]
    return {
        **shape,
        **describe_session(session, is_current=is_current),
        **said,
        "other_tasks": [describe(each) for each in others],
    }


def current_task(tasks: Sequence[Summary]) -> Summary | None:
    """Return the task that is worked on: the one that was begun last, rather none that only waits."""
    for state in (TaskState.WORKING, TaskState.INPUT_REQUIRED):
        begun = [each for each in tasks if each.state is state]
        if begun:
            return max(begun, key=lambda each: (each.started_at or each.created_at, each.id))
    return None


def _current(story: Story, task: Summary) -> dict[str, object]:
    """Return the task that is worked on, with what was done and decided for it.

    That is what names it, and what names no task and came after it was begun.
    """
    begun = task.started_at if task.started_at is not None else task.created_at

    def is_for_it(at: int, named: str) -> bool:
        return named == task.id or (not named and at >= begun)

    files = story.session.files.items()
    is_worked_on = task.state is TaskState.WORKING
    return {
        "id": task.id,
        "name": task.name,
        "status": IN_PROGRESS if is_worked_on else task.state.value,
        "started_at": iso(begun),
        "context": {
            "files_modified": [path for path, each in files if is_for_it(each.at, each.task)],
            "decisions": [
                each.text for _, each in story.decisions if is_for_it(each.at, each.task)
            ],
        },
    }


def _completed(task: Summary) -> dict[str, object]:
    ended = task.updated_at if task.ended_at is None else task.ended_at
    begun = task.created_at if task.started_at is None else task.started_at
    return {
        "id": task.id,
        "name": task.name,
        "completed_at": iso(ended),
        "duration_seconds": max(0, ended - begun) // 1000,
    }


def describe_event(event: SessionEvent) -> dict[str, object]:
    """Return what happened."""
    members = {name: getattr(event, name) for name, _ in defaults(type(event))}
    return {**members, "at": iso(event.at)}
