"""Open the store for a verb of `holdfast session`, and find the session that is meant."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from holdfast.app import open_only_store
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.task.desk import user_name
from holdfast.clock import SystemClock
from holdfast.errors import SessionNotFound
from holdfast.settings import Settings
from holdfast.storage.opening import open_store
from holdfast.storage.seam import Store
from holdfast.tasks.requests import Actor
from holdfast.tasks.service import Tasks
from holdfast.tasks.sessions.current import session_for
from holdfast.tasks.sessions.service import Sessions

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a verb works with."""

    settings: Settings
    store: Store
    sessions: Sessions
    tasks: Tasks
    named: str | None

    async def chosen(self) -> str:
        """Return the id of the session that was named, else of the current one.

        Raises:
            SessionNotFound: none was named, and none is the current one.
        """
        found = await session_for(self.store, owner=self.sessions.owner, named=self.named)
        if not found:
            raise SessionNotFound(
                "no session is the current one",
                hint="start one (`holdfast session start NAME`), or name one with --session",
            )
        return found

    async def task(self, prefix: str | None) -> str:
        """Return the whole id of a task that is named, if one is."""
        return await self.tasks.find(prefix) if prefix else ""


def look(
    arguments: argparse.Namespace, output: Output, action: Callable[[Desk], Awaitable[T]]
) -> T:
    """Return what `action` finds; a store that is not there is not made."""
    settings = settings_of(arguments, output)
    return asyncio.run(_act(settings, open_only_store(settings), arguments, action))


def work(
    arguments: argparse.Namespace, output: Output, action: Callable[[Desk], Awaitable[T]]
) -> T:
    """Return what comes of `action`; a store that is not there is made."""
    settings = settings_of(arguments, output)
    store = open_store(settings.store, clock=SystemClock(), ack=settings.ack)
    return asyncio.run(_act(settings, store, arguments, action))


def add_session(parser: argparse.ArgumentParser) -> None:
    """Add which session is meant."""
    parser.add_argument(
        "--session", metavar="NAME", help="its name or id (default: the current one)"
    )


def add_task(parser: argparse.ArgumentParser) -> None:
    """Add which task it is about."""
    parser.add_argument("--task", metavar="ID", help="the task that it is about")


async def _act(
    settings: Settings,
    store: Store,
    arguments: argparse.Namespace,
    action: Callable[[Desk], Awaitable[T]],
) -> T:
    actor, clock = Actor(by=arguments.by or user_name(), via="cli"), SystemClock()
    async with store as opened:
        desk = Desk(
            settings=settings,
            store=opened,
            sessions=Sessions(opened, clock=clock, owner=arguments.owner, actor=actor),
            tasks=Tasks(opened, clock=clock, owner=arguments.owner, actor=actor),
            named=getattr(arguments, "session", None),
        )
        return await action(desk)
