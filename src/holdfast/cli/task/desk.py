"""Open the store for a verb of `holdfast task`, and let it work on the tasks."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import TypeVar

from holdfast.app import open_only_store
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.clock import SystemClock
from holdfast.settings import Settings
from holdfast.storage.opening import open_store
from holdfast.storage.seam import Store
from holdfast.tasks.requests import Actor
from holdfast.tasks.service import Tasks

T = TypeVar("T")


def look(
    arguments: argparse.Namespace, output: Output, action: Callable[[Tasks], Awaitable[T]]
) -> T:
    """Return what `action` finds; a store that is not there is not made."""
    settings = settings_of(arguments, output)
    return look_into(settings, lambda store: action(tasks_of(store, arguments)))


def look_into(settings: Settings, action: Callable[[Store], Awaitable[T]]) -> T:
    """Do the same for an `action` that needs more than the tasks."""
    return _run(open_only_store(settings), action)


def work(
    arguments: argparse.Namespace, output: Output, action: Callable[[Tasks], Awaitable[T]]
) -> T:
    """Return what comes of `action`; a store that is not there is made."""
    settings = settings_of(arguments, output)
    store = open_store(settings.store, clock=SystemClock(), ack=settings.ack)
    return _run(store, lambda store: action(tasks_of(store, arguments)))


def follow(
    arguments: argparse.Namespace, output: Output, action: Callable[[Tasks], Awaitable[T]]
) -> T:
    """Return what comes of an `action` that waits for others."""
    return look(arguments, output, action)


def tasks_of(store: Store, arguments: argparse.Namespace) -> Tasks:
    """Return the tasks of the owner that was named, on behalf of who was named."""
    actor = Actor(by=arguments.by or user_name(), via="cli")
    return Tasks(store, clock=SystemClock(), owner=arguments.owner, actor=actor)


def user_name() -> str:
    """Return the name that the system has for who runs this."""
    import os  # noqa: PLC0415 - only without `--by`

    try:
        import pwd  # noqa: PLC0415 - not everywhere

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        import getpass  # noqa: PLC0415 - as above

        return getpass.getuser()


def _run(store: Store, action: Callable[[Store], Awaitable[T]]) -> T:
    import asyncio  # noqa: PLC0415 - not every store needs it

    async def act() -> T:
        async with store as opened:
            return await action(opened)

    return asyncio.run(act())
