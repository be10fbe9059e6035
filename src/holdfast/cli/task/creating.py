"""`holdfast task create`."""

from __future__ import annotations

import argparse

from holdfast.cli.output import Output
from holdfast.cli.task.desk import session_of, work
from holdfast.cli.task.parts import read_json, read_pairs, read_priority, read_text
from holdfast.cli.task.printing import print_changed
from holdfast.cli.times import read_span
from holdfast.tasks.record import Task
from holdfast.tasks.requests import NewTask
from holdfast.tasks.service import Tasks


def configure(verb: str, parser: argparse.ArgumentParser) -> None:  # noqa: ARG001 - the only one
    """Add the arguments of the verb."""
    add = parser.add_argument
    add("name", metavar="NAME", nargs="+", help="what is to be done, in a few words")
    add("--description", "-d", default="", metavar="TEXT", help="more about it; @FILE, - for stdin")
    add("--priority", "-p", default="normal", metavar="P", help="urgent (0) … someday (4)")
    add("--tag", "-t", action="append", default=[], help="a tag; may be repeated")
    add("--parent", metavar="ID", help="the task that this is a part of")
    add("--session", help="the session that it belongs to (default: the current one)")
    add("--blocked-by", action="append", default=[], metavar="ID", help="what must end before it")
    add("--relates", action="append", default=[], metavar="ID", help="what it has to do with")
    add("--found-in", action="append", default=[], metavar="ID", help="where it was discovered")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable")
    add("--ttl", metavar="TIME", help="after which it is gone, for instance 30d")
    add("--key", default="", help="names the request: asking again makes nothing new")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Make the task."""
    variables = {name: read_json(text) for name, text in read_pairs(arguments.set).items()}
    description = read_text(arguments.description)
    priority = read_priority(arguments.priority)
    ttl_ms = None if arguments.ttl is None else read_span(arguments.ttl)

    async def create(tasks: Tasks) -> Task:
        new = NewTask(
            name=" ".join(arguments.name),
            description=description,
            parent=await tasks.find(arguments.parent) if arguments.parent else "",
            session=await session_of(tasks, arguments.session),
            priority=priority,
            tags=arguments.tag,
            variables=variables,
            blocked_by=[await tasks.find(each) for each in arguments.blocked_by],
            relates=[await tasks.find(each) for each in arguments.relates],
            discovered_from=[await tasks.find(each) for each in arguments.found_in],
            ttl_ms=ttl_ms,
            key=arguments.key,
        )
        return await tasks.create(new)

    return print_changed(work(arguments, output, create), output)
