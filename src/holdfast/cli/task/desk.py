"""Open the store for a verb of `holdfast task`, and let it work on the tasks."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import TypeVar

from holdfast.app.stores import open_only_store, rehearse, run_on
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.task.facing import faces_of, folder_of, tell
from holdfast.clock import SystemClock
from holdfast.settings import Settings
from holdfast.storage.seam import Store
from holdfast.tasks.merges import settle_merges
from holdfast.tasks.requests import Actor
from holdfast.tasks.service import Tasks

T = TypeVar("T")


def look(
    arguments: argparse.Namespace, output: Output, action: Callable[[Tasks], Awaitable[T]]
) -> T:
    """Return what `action` finds; a store that is not there is not made."""
    return look_into(arguments, output, lambda store: action(tasks_of(store, arguments)))


def look_into(
    arguments: argparse.Namespace, output: Output, action: Callable[[Store], Awaitable[T]]
) -> T:
    """Do the same for an `action` that needs more than the tasks."""
    settings = settings_of(arguments, output)
    store = open_only_store(settings, at_once=True)
    return run_on(store, _in_order(settings, arguments, output, action))


def work(
    arguments: argparse.Namespace,
    output: Output,
    action: Callable[[Tasks], Awaitable[T]],
    *,
    make: bool = True,
) -> T:
    """Return what comes of `action`.

    A store that is not there is made, unless the action changes only what is there (not `make`), or
    fails.
    """
    settings = settings_of(arguments, output)
    folder = folder_of(settings)

    async def act(store: Store) -> T:
        return await action(tasks_of(store, arguments))

    if make and not (folder and folder.is_dir()):
        rehearse(settings, act)
    store = open_only_store(settings, make=make, at_once=True)
    return run_on(store, _in_order(settings, arguments, output, act))


def follow(
    arguments: argparse.Namespace, output: Output, action: Callable[[Tasks], Awaitable[T]]
) -> T:
    """Return what comes of an `action` that waits for others."""
    settings = settings_of(arguments, output)
    return run_on(open_only_store(settings), lambda store: action(tasks_of(store, arguments)))


def _in_order(
    settings: Settings,
    arguments: argparse.Namespace,
    output: Output,
    action: Callable[[Store], Awaitable[T]],
) -> Callable[[Store], Awaitable[T]]:
    """Return an `action` that finds the tasks in order, also after two clones were merged.

    If there are files of the tasks (`holdfast task faces` makes their folder), what was edited in them
    is taken in before it, and they are written behind it.
    """
    folder = folder_of(settings)
    has_faces = folder is not None and folder.is_dir()

    async def act(store: Store) -> T:
        await settle_merges(store, SystemClock())
        if folder is None or not has_faces:
            return await action(store)
        faces = faces_of(store, folder, arguments)
        tell(await faces.take_in(), output)
        answer = await action(store)
        await faces.catch_up()
        return answer

    return act


def tasks_of(store: Store, arguments: argparse.Namespace) -> Tasks:
    """Return the tasks of the owner that was named, on behalf of who was named."""
    actor = Actor(by=arguments.by or user_name(), via="cli")
    return Tasks(store, clock=SystemClock(), owner=arguments.owner, actor=actor)


async def session_of(tasks: Tasks, named: str | None) -> str:
    """Return the id of the session that was named, else of the current one; empty without one."""
    from holdfast.tasks.sessions.current import session_for  # noqa: PLC0415 - not by every verb

    return await session_for(tasks.store, owner=tasks.owner, named=named)


async def named_session(tasks: Tasks, arguments: argparse.Namespace) -> str | None:
    """Return the id of the session of `--session`, None or empty as it was given without a name.

    What tasks brought along from elsewhere may be the id of a session that is not here.
    """
    named: str | None = arguments.session
    if not named or await tasks.store.scan(("task-session", tasks.owner, named), limit=1):
        return named
    return await session_of(tasks, named)


def user_name() -> str:
    """Return the name that the system has for who runs this."""
    import os  # noqa: PLC0415 - only without `--by`

    try:
        import pwd  # noqa: PLC0415 - not everywhere

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        import getpass  # noqa: PLC0415 - as above

        return getpass.getuser()
