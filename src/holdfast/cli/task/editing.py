"""`holdfast task update`, `note` and `set`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output
from holdfast.cli.task.desk import named_session, work
from holdfast.cli.task.parts import (
    add_fence,
    add_id,
    read_json,
    read_object,
    read_pairs,
    read_priority,
    read_text,
)
from holdfast.cli.task.printing import print_changed
from holdfast.errors import TaskConflict, UsageError

if TYPE_CHECKING:
    from holdfast.tasks.record import Task
    from holdfast.tasks.requests import Changes
    from holdfast.tasks.service import Tasks
    from holdfast.tasks.variables import VariableConflict, VariableConflicts


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    add_id(parser)
    match verb:
        case "update":
            _add_fields(parser)
            add_fence(parser)
        case "note":
            parser.add_argument("text", metavar="TEXT", nargs="+", help="@FILE, - for stdin")
        case _:
            _add_variables(parser)
            add_fence(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Change the task."""
    match arguments.verb:
        case "update":
            return _update(arguments, output)
        case "note":
            return _note(arguments, output)
        case _:
            return _set(arguments, output)


def _add_fields(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="another name")
    parser.add_argument("--description", "-d", help="another description; @FILE, - for stdin")
    parser.add_argument("--priority", "-p", metavar="P", help="urgent (0) … someday (4)")
    parser.add_argument("--tag", "-t", action="append", default=[], help="add a tag")
    parser.add_argument("--untag", action="append", default=[], metavar="TAG", help="remove a tag")
    parser.add_argument("--session", help="the session that it belongs to")
    parser.add_argument("--message", "-m", help="the status message")
    parser.add_argument(
        "--meta", action="append", default=[], metavar="NAME=VALUE", help="metadata"
    )


def _add_variables(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pairs", metavar="NAME=VALUE", nargs="+", help="JSON or text; null deletes, @FILE reads"
    )
    parser.add_argument(
        "--expect", action="append", default=[], metavar="NAME=VERSION", help="only if it is this"
    )
    parser.add_argument(
        "--schema", action="append", default=[], metavar="NAME=SCHEMA", help="JSON Schema, or @FILE"
    )
    parser.add_argument(
        "--visibility",
        action="append",
        default=[],
        metavar="NAME=WHO",
        help="server, read or write",
    )


def _changes(arguments: argparse.Namespace, session: str | None) -> Changes:
    from holdfast.tasks.requests import Changes  # noqa: PLC0415 - only here

    described = arguments.description
    meta = {name: read_json(text) for name, text in read_pairs(arguments.meta).items()}
    return Changes(
        name=arguments.name,
        description=None if described is None else read_text(described),
        priority=None if arguments.priority is None else read_priority(arguments.priority),
        add_tags=arguments.tag,
        remove_tags=arguments.untag,
        session=session,
        status_message=arguments.message,
        metadata=meta or None,
    )


def _update(arguments: argparse.Namespace, output: Output) -> int:
    async def update(tasks: Tasks) -> Task:
        changes = _changes(arguments, await named_session(tasks, arguments))
        return await tasks.update(await tasks.find(arguments.id), changes, fence=arguments.fence)

    return print_changed(work(arguments, output, update, make=False), output)


def _note(arguments: argparse.Namespace, output: Output) -> int:
    text = read_text(" ".join(arguments.text))

    async def note(tasks: Tasks) -> Task:
        return await tasks.note(await tasks.find(arguments.id), text)

    return print_changed(work(arguments, output, note, make=False), output)


def _set(arguments: argparse.Namespace, output: Output) -> int:
    from holdfast.tasks.record import Task  # noqa: PLC0415 - only here

    values = {name: read_json(text) for name, text in read_pairs(arguments.pairs).items()}
    expected = {name: _version(text) for name, text in read_pairs(arguments.expect).items()}
    schemas = {
        name: read_object(text, f"the schema of {name!r}")
        for name, text in read_pairs(arguments.schema).items()
    }
    visibility = read_pairs(arguments.visibility)

    async def change(tasks: Tasks) -> Task | VariableConflicts:
        from holdfast.tasks.record import Visibility  # noqa: PLC0415 - only here

        if unknown := set(visibility.values()) - set(Visibility):
            raise UsageError(f"{min(unknown)!r} is no visibility", hint="server, read or write")
        return await tasks.set_variables(
            await tasks.find(arguments.id),
            values,
            expected=expected,
            schemas=schemas,
            visibility={name: Visibility(who) for name, who in visibility.items()},
            fence=arguments.fence,
        )

    outcome = work(arguments, output, change, make=False)
    if not isinstance(outcome, Task):
        raise TaskConflict(
            "nothing was set: " + "; ".join(map(_say, outcome.conflicts)),
            hint="look at the values that are there now, and decide again",
        )
    return print_changed(outcome, output)


def _say(conflict: VariableConflict) -> str:
    import json  # noqa: PLC0415 - only here

    current, wanted = (
        json.dumps(value, ensure_ascii=False) for value in (conflict.current, conflict.wanted)
    )
    versions = f"has version {conflict.version} and not {conflict.expected}"
    return f"{conflict.name!r} {versions}: it is {current}, and was to be {wanted}"


def _version(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{text!r} is no version", hint="write --expect NAME=NUMBER")
    return int(text)
