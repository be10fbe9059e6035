"""Say how work stands: `holdfast session resume`, which is `holdfast task resume` too."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from holdfast.app.stores import onlooker, open_only_store, run_on
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.clock import SystemClock
from holdfast.errors import UsageError
from holdfast.settings import Settings
from holdfast.storage.seam import Store
from holdfast.tasks.sessions.current import session_for
from holdfast.tasks.sessions.drafting import Part
from holdfast.tasks.sessions.resuming import BUDGET, Resume, take_up
from holdfast.tasks.sessions.view import describe_session


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
    settings = settings_of(arguments, output)
    store = open_only_store(settings, at_once=True)
    found = run_on(store, lambda store: _find(store, settings, arguments))
    output.data(_as_data(found))
    output.line(found.resume.fitted.text)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    resume: Resume
    current: str


async def _find(store: Store, settings: Settings, arguments: argparse.Namespace) -> _Found:
    session = current = await session_for(store, owner=arguments.owner)
    if arguments.all:
        session = ""
    elif arguments.session:
        session = await session_for(store, owner=arguments.owner, named=arguments.session)
    resume = await take_up(
        store,
        clock=SystemClock(),
        owner=arguments.owner,
        session=session,
        budget=arguments.budget,
        is_alive=onlooker(settings, store).is_alive,
    )
    return _Found(resume=resume, current=current)


def _as_data(found: _Found) -> dict[str, object]:
    fitted, story = found.resume.fitted, found.resume.work.story
    described = None
    if story is not None:
        described = describe_session(story.session, is_current=story.session.id == found.current)
    return {
        "session": described,
        "budget": fitted.budget,
        "is_complete": fitted.is_complete,
        "text": fitted.text,
        "parts": {name: _describe(part) for name, part in fitted.parts.items()},
    }


def _describe(part: Part) -> dict[str, object]:
    return {
        "total": part.total,
        "whole": list(part.whole),
        "shortened": list(part.shortened),
        "left_out": list(part.left_out),
    }
