"""`holdfast session note`, `decide`, `scope` and `context`."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable

from holdfast.cli.output import Output, moment
from holdfast.cli.session.desk import Desk, add_session, add_task, look, work
from holdfast.cli.session.parts import add_many, add_scope, read_files, read_values
from holdfast.cli.session.printing import print_changed
from holdfast.cli.task.parts import read_text
from holdfast.errors import UsageError
from holdfast.tasks.sessions.events import ScopeChanged
from holdfast.tasks.sessions.fold import Story
from holdfast.tasks.sessions.record import Session
from holdfast.tasks.sessions.requests import ScopeChange
from holdfast.tasks.sessions.view import describe_event, describe_session

_SAID = {"note": "noted", "decide": "decided", "scope": "scope changed", "context": "context set"}


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    add = parser.add_argument
    match verb:
        case "note":
            add("text", metavar="TEXT", help="what to remember; @FILE, - for stdin")
        case "decide":
            add("text", metavar="TEXT", help="what was decided; @FILE, - for stdin")
            add("--why", default="", metavar="TEXT", help="the reason")
            add_many(parser, "--instead-of", "what else was weighed")
        case "scope":
            add_scope(parser)
            add_many(parser, "--drop", "what is not said any more")
            add("--goal", metavar="TEXT", help="what is to come of it")
            add("--why", default="", metavar="TEXT", help="the reason")
        case _:
            add("values", nargs="*", metavar="NAME=VALUE", help="values; lists and objects as JSON")
            add("--unset", action="append", default=[], metavar="NAME", help="take a value out")
            add("--file", action="append", default=[], help="a file that was worked on")
            add("--forget", action="append", default=[], metavar="FILE", help="take a file out")
    add_session(parser)
    if verb != "scope":
        add_task(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Write down what was said; without anything to write, show what there is."""
    if arguments.verb == "scope" and not _scope_of(arguments):
        return _show(arguments, output, _print_scope)
    if arguments.verb == "context" and not _has_context(arguments):
        return _show(arguments, output, _print_context)
    write = _WRITES[arguments.verb]

    async def act(desk: Desk) -> tuple[Session, bool]:
        session = await write(desk, await desk.chosen(), arguments)
        current = await desk.sessions.current()
        return session, current is not None and current.id == session.id

    session, is_current = work(arguments, output, act, make=False)
    return print_changed(session, output, _SAID[arguments.verb], is_current=is_current)


async def _note(desk: Desk, session_id: str, arguments: argparse.Namespace) -> Session:
    task = await desk.task(arguments.task)
    return await desk.sessions.note(session_id, read_text(arguments.text), task=task)


async def _decide(desk: Desk, session_id: str, arguments: argparse.Namespace) -> Session:
    return await desk.sessions.decide(
        session_id,
        read_text(arguments.text),
        reason=arguments.why,
        alternatives=arguments.instead_of,
        task=await desk.task(arguments.task),
    )


async def _scope(desk: Desk, session_id: str, arguments: argparse.Namespace) -> Session:
    change = _scope_of(arguments)
    assert change is not None
    return await desk.sessions.rescope(session_id, change)


async def _context(desk: Desk, session_id: str, arguments: argparse.Namespace) -> Session:
    values = read_values(arguments.values)
    if both := values.keys() & set(arguments.unset):
        raise UsageError(
            f"{min(both)!r} would be both set and taken out", hint="say one of the two"
        )
    root = desk.settings.root
    return await desk.sessions.set_context(
        session_id,
        {**values, **dict.fromkeys(arguments.unset)},
        files=read_files(arguments.file, root),
        forget=read_files(arguments.forget, root),
        task=await desk.task(arguments.task),
    )


_WRITES: dict[str, Callable[[Desk, str, argparse.Namespace], Awaitable[Session]]] = {
    "note": _note,
    "decide": _decide,
    "scope": _scope,
    "context": _context,
}


def _scope_of(arguments: argparse.Namespace) -> ScopeChange | None:
    """Return the change that was asked for, None if none was."""
    change = ScopeChange(
        includes=arguments.includes,
        excludes=arguments.excludes,
        drop=arguments.drop,
        goal=arguments.goal,
        reason=arguments.why,
    )
    if change == ScopeChange(includes=[], excludes=[], drop=[]):
        return None
    if not (change.includes or change.excludes or change.drop) and change.goal is None:
        raise UsageError("a reason alone changes nothing", hint="add --in, --out, --drop or --goal")
    return change


def _has_context(arguments: argparse.Namespace) -> bool:
    return bool(arguments.values or arguments.unset or arguments.file or arguments.forget)


def _show(
    arguments: argparse.Namespace, output: Output, show: Callable[[Story, Output], None]
) -> int:
    async def find(desk: Desk) -> Story:
        return await desk.sessions.story(await desk.chosen())

    show(look(arguments, output, find), output)
    return 0


def _print_scope(story: Story, output: Output) -> None:
    session = story.session
    scope = describe_session(session, is_current=False)["scope"]
    changes = [describe_event(each) for each in story.scope_changes]
    output.data({"goal": session.goal, "scope": scope, "changes": changes})
    output.line(f"goal: {session.goal or '(none)'}")
    for each in session.scope.includes:
        output.line(f"belongs to it: {each}")
    for each in session.scope.excludes:
        output.line(f"does not: {each}")
    for each in story.scope_changes:
        output.line(f"{moment(each.at)} {each.by}: {_change_line(each)}")


def _change_line(event: ScopeChanged) -> str:
    said = [f"+ {each}" for each in event.includes]
    said += (f"- {each}" for each in event.excludes)
    said += (f"not said any more: {each}" for each in event.drop)
    said += [] if event.goal is None else [f"goal: {event.goal}"]
    return "; ".join(said) + (f" (because: {event.reason})" if event.reason else "")


def _print_context(story: Story, output: Output) -> None:
    session = story.session
    described = describe_session(session, is_current=False)
    output.data({"context": described["context"], "files": described["files"]})
    if not (session.context or session.files):
        output.line("nothing was set yet")
    for name, value in session.context.items():
        output.line(f"{name} = {value}")
    for path, touch in session.files.items():
        output.line(f"file {path}  {moment(touch.at)}")
