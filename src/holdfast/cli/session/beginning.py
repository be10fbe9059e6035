"""`holdfast session start`, `switch` and `end`."""

from __future__ import annotations

import argparse

from holdfast.cli.output import Output
from holdfast.cli.session.desk import Desk, add_session, work
from holdfast.cli.session.parts import add_scope, read_values
from holdfast.cli.session.printing import print_changed, print_left
from holdfast.cli.task.parts import read_text
from holdfast.errors import TaskNotFound
from holdfast.tasks.sessions.record import Session
from holdfast.tasks.sessions.requests import NewSession
from holdfast.tasks.sessions.view import describe_session

_NAMED = 20


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    add = parser.add_argument
    match verb:
        case "start":
            add("name", metavar="NAME", nargs="+", help="what the work is called, in a few words")
            add(
                "--goal",
                default="",
                metavar="TEXT",
                help="what is to come of it; @FILE, - for stdin",
            )
            add_scope(parser)
            add("--set", action="append", default=[], metavar="NAME=VALUE",
                help="a value that who goes on should know")  # fmt: skip
            add("--aside", action="store_true", help="the current session stays the one it is")
        case "switch":
            add("session", metavar="NAME", help="its name, or a unique beginning of its id")
        case _:
            add("summary", metavar="SUMMARY", nargs="?", default="",
                help="what came of it; @FILE, - for stdin")  # fmt: skip
            add_session(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do what was asked for."""
    match arguments.verb:
        case "start":
            return _start(arguments, output)
        case "switch":
            return _switch(arguments, output)
        case _:
            return _end(arguments, output)


def _start(arguments: argparse.Namespace, output: Output) -> int:
    new = NewSession(
        name=" ".join(arguments.name),
        goal=read_text(arguments.goal),
        includes=arguments.includes,
        excludes=arguments.excludes,
        context=read_values(arguments.set),
        aside=arguments.aside,
    )
    session = work(arguments, output, lambda desk: desk.sessions.start(new))
    said = "started" if new.aside else "started, and the current session"
    return print_changed(session, output, said, is_current=not new.aside)


def _switch(arguments: argparse.Namespace, output: Output) -> int:
    async def switch(desk: Desk) -> Session:
        return await desk.sessions.switch(await desk.chosen())

    session = work(arguments, output, switch, make=False)
    code = print_changed(session, output, "the current session", is_current=True)
    output.suggest("  to see how it stands: ", "session", "resume")
    return code


def _end(arguments: argparse.Namespace, output: Output) -> int:
    summary = read_text(arguments.summary)

    async def end(desk: Desk) -> tuple[Session, list[str]]:
        session = await desk.sessions.end(await desk.chosen(), summary)
        return session, [await _name(desk, each) for each in session.left[:_NAMED]]

    session, names = work(arguments, output, end, make=False)
    if output.as_json:
        output.data(describe_session(session, is_current=False))
        return 0
    code = print_changed(session, output, "ended", is_current=False)
    print_left(session, names, output)
    return code


async def _name(desk: Desk, task_id: str) -> str:
    try:
        return (await desk.tasks.get(task_id)).name
    except TaskNotFound:  # it has expired meanwhile
        return "(gone)"
