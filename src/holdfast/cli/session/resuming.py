"""`holdfast session resume`, which is `holdfast task resume` too."""

from __future__ import annotations

import argparse

from holdfast.app import onlooker
from holdfast.cli.output import Output
from holdfast.cli.session.desk import Desk, look
from holdfast.clock import SystemClock
from holdfast.errors import UsageError
from holdfast.tasks.sessions.current import session_for
from holdfast.tasks.sessions.resuming import BUDGET, Resume, take_up
from holdfast.tasks.sessions.view import describe_session


def configure(verb: str, parser: argparse.ArgumentParser) -> None:  # noqa: ARG001 - the only one
    """Add the arguments of the verb."""
    configure_resume(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print how the work stands."""
    return run_resume(arguments, output)


def configure_resume(parser: argparse.ArgumentParser) -> None:
    """Add which work is meant, and how much may be said."""
    parser.add_argument(
        "--session",
        metavar="NAME",
        help="its name or id (default: the current one, and without one the whole project)",
    )
    parser.add_argument("--all", action="store_true", help="the whole project")
    parser.add_argument(
        "--budget",
        type=int,
        default=BUDGET,
        metavar="N",
        help=f"the most characters; what does not fit is named (default {BUDGET})",
    )


def run_resume(arguments: argparse.Namespace, output: Output) -> int:
    """Print how the work stands; `arguments` also say the owner."""
    if arguments.all and arguments.session:
        raise UsageError("--all and --session exclude each other", hint="give one of them")

    async def find(desk: Desk) -> tuple[Resume, str]:
        owner = desk.sessions.owner
        current = await session_for(desk.store, owner=owner)
        session = current
        if arguments.all:
            session = ""
        elif arguments.session:
            session = await session_for(desk.store, owner=owner, named=arguments.session)
        looker = onlooker(desk.settings, desk.store)
        found = await take_up(
            desk.store,
            clock=SystemClock(),
            owner=owner,
            session=session,
            budget=arguments.budget,
            is_alive=looker.is_alive,
        )
        return found, current

    found, current = look(arguments, output, find)
    output.data(_as_data(found, current))
    output.line(found.fitted.text)
    return 0


def _as_data(found: Resume, current: str) -> dict[str, object]:
    fitted, story = found.fitted, found.work.story
    session = story.session if story else None
    return {
        "session": describe_session(session, is_current=session.id == current) if session else None,
        "budget": fitted.budget,
        "is_complete": fitted.is_complete,
        "text": fitted.text,
        "parts": {
            name: {
                "total": part.total,
                "whole": list(part.whole),
                "shortened": list(part.shortened),
                "left_out": list(part.left_out),
            }
            for name, part in fitted.parts.items()
        },
    }
