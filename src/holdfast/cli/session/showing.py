"""`holdfast session list` and `show`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast.cli.options import check_limit
from holdfast.cli.output import Output
from holdfast.cli.session.desk import Desk, look
from holdfast.cli.session.printing import print_page, print_story
from holdfast.tasks.requests import Filter
from holdfast.tasks.sessions.fold import Story
from holdfast.tasks.sessions.listing import every_task
from holdfast.tasks.sessions.record import SessionState
from holdfast.tasks.sessions.service import SessionPage
from holdfast.tasks.sessions.view import Remembered, describe_session, describe_work
from holdfast.tasks.summaries import Summary

_PATTERNS = ("procedure", "fact")


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    add = parser.add_argument
    if verb == "list":
        add("--state", choices=[str(state) for state in SessionState], help="only these")
        add("--limit", type=int, default=50, metavar="N", help="how many (default 50)")
        add("--all", action="store_true", help="all of them")
        return
    add(
        "session",
        metavar="NAME",
        nargs="?",
        help="its name, or a unique beginning of its id (default: the current one)",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print what was asked for."""
    return _list(arguments, output) if arguments.verb == "list" else _show(arguments, output)


def _list(arguments: argparse.Namespace, output: Output) -> int:
    check_limit(arguments)
    state = SessionState(arguments.state) if arguments.state else None
    limit = None if arguments.all else arguments.limit

    async def find(desk: Desk) -> SessionPage:
        return await desk.sessions.list(state, limit=limit)

    page = look(arguments, output, find)
    if output.as_json:
        described = [
            describe_session(each, is_current=each.id == page.current) for each in page.sessions
        ]
        output.data({"sessions": described, "more": page.more})
        return 0
    print_page(page, output)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    story: Story
    is_current: bool
    tasks: Sequence[Summary] = ()
    remembered: Remembered = field(default_factory=Remembered)


def _show(arguments: argparse.Namespace, output: Output) -> int:
    async def find(desk: Desk) -> _Found:
        session_id = await desk.chosen()
        story = await desk.sessions.story(session_id)
        current = await desk.sessions.current()
        is_current = current is not None and current.id == session_id
        if not output.as_json:
            return _Found(story=story, is_current=is_current)
        wanted = Filter(session=session_id)
        owner = desk.sessions.owner
        return _Found(
            story=story,
            is_current=is_current,
            tasks=[each async for each in every_task(desk.store, owner, wanted)],
            remembered=await _remembered(desk),
        )

    found = look(arguments, output, find)
    if output.as_json:
        output.data(
            describe_work(found.story, found.tasks, found.remembered, is_current=found.is_current)
        )
    else:
        print_story(found.story, output, is_current=found.is_current)
        listing = ("task", "list", "--session", found.story.session.id[:8])
        output.suggest("  its tasks: ", *listing)
    return 0


async def _remembered(desk: Desk) -> Remembered:
    """Return what the project's memory holds that a session shows."""
    from holdfast.clock import SystemClock  # noqa: PLC0415 - only with `--json`
    from holdfast.memory import PROJECT, Memories  # noqa: PLC0415 - only with `--json`

    known = await Memories(desk.store, clock=SystemClock()).list(namespaces=[PROJECT])
    entries = [each.entry for each in known]
    kinds = [entry for entry in entries if entry.key == "project_type"]
    return Remembered(
        project_type=kinds[0].text if kinds else None,
        decisions=[entry.text for entry in entries if entry.kind == "decision"],
        patterns=[
            entry.text for entry in entries if entry.kind in _PATTERNS and entry not in kinds
        ],
    )
