"""Walk through tasks and sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator

from holdfast.storage.seam import Store
from holdfast.tasks.listing import list_tasks
from holdfast.tasks.requests import Filter
from holdfast.tasks.sessions.loading import ids_by_time, read_session
from holdfast.tasks.sessions.record import Session
from holdfast.tasks.state import TaskState, is_terminal
from holdfast.tasks.summaries import Summary

OPEN_STATES = frozenset(state for state in TaskState if not is_terminal(state))
_PAGE = 500


async def every_task(store: Store, owner: str, wanted: Filter) -> AsyncIterator[Summary]:
    """Give all tasks that fit, newest first."""
    cursor = ""
    while True:
        page = await list_tasks(store, owner, wanted, limit=_PAGE, cursor=cursor)
        for task in page.tasks:
            yield task
        cursor = page.cursor
        if not cursor:
            return


async def open_sessions(store: Store, owner: str) -> list[Session]:
    """Return the sessions that have not ended, newest first."""
    held = [await read_session(store, owner, each) async for each, _ in ids_by_time(store, owner)]
    return [each.session for each in held if each is not None and each.session.is_open]
