"""Open the store for a verb of `holdfast session`, and find the session that is meant."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from holdfast.app.stores import open_only_store, rehearse, run_on
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.task.desk import user_name
from holdfast.clock import SystemClock
from holdfast.errors import SessionNotFound
from holdfast.settings import Settings
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
    store = open_only_store(settings, at_once=True)
    return run_on(store, lambda store: action(_desk(settings, store, arguments)))


def work(
    arguments: argparse.Namespace,
    output: Output,
    action: Callable[[Desk], Awaitable[T]],
    *,
    make: bool = True,
) -> T:
    """Return what comes of `action`.

    A store that is not there is made, unless the action changes only what is there (not `make`), or
    fails.
    """
    settings = settings_of(arguments, output)

    async def act(store: Store) -> T:
        return await action(_desk(settings, store, arguments))

    if make:
        rehearse(settings, act)
    return run_on(open_only_store(settings, make=make, at_once=True), act)


def add_session(parser: argparse.ArgumentParser) -> None:
    """Add which session is meant."""
    parser.add_argument(
        "--session", metavar="NAME", help="its name or id (default: the current one)"
    )


def add_task(parser: argparse.ArgumentParser) -> None:
    """Add which task it is about."""
    parser.add_argument("--task", metavar="ID", help="the task that it is about")


def _desk(settings: Settings, store: Store, arguments: argparse.Namespace) -> Desk:
    actor, clock = Actor(by=arguments.by or user_name(), via="cli"), SystemClock()
    return Desk(
        settings=settings,
        store=store,
        sessions=Sessions(store, clock=clock, owner=arguments.owner, actor=actor),
        tasks=Tasks(store, clock=clock, owner=arguments.owner, actor=actor),
        named=getattr(arguments, "session", None),
    )
