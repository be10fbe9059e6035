"""`holdfast task show` and `history`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from holdfast.cli.output import Output, moment, seconds
from holdfast.cli.task.desk import look
from holdfast.cli.task.parts import PRIORITIES, add_id
from holdfast.cli.task.printing import described, short, status
from holdfast.clock import SystemClock

if TYPE_CHECKING:
    from holdfast.tasks.reading import Happening
    from holdfast.tasks.record import Task
    from holdfast.tasks.service import Tasks


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    add_id(parser)
    if verb == "history":
        parser.add_argument("--after", type=int, default=0, metavar="N", help="behind this number")
        parser.add_argument("--limit", type=int, metavar="N", help="how many (default: all)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the task or its history."""
    if arguments.verb == "history":
        return _history(arguments, output)

    async def find(tasks: Tasks) -> Task:
        return await tasks.get(await tasks.find(arguments.id))

    task = look(arguments, output, find)
    if output.as_json:
        output.data(described(task))
        return 0
    for name, value in _lines(task):
        output.line(f"{name:<12} {value}".rstrip())
    if task.description:
        output.line()
        output.line(task.description)
    if task.notes:
        output.note(f"notes: {output.command('task', 'history', short(task.id))}")
    return 0


def _lines(task: Task) -> Iterator[tuple[str, str]]:
    """Give what is known, a line each; what is empty is left out."""
    now = SystemClock().now_ms()
    yield "id", task.id
    yield "name", task.name
    yield "state", status(task, now)
    given = {
        "says": task.status_message,
        "priority": PRIORITIES[task.priority],
        "tags": " ".join(f"+{tag}" for tag in task.tags),
        "session": task.session,
        "parent": task.parent and short(task.parent),
        "created": moment(task.created_at),
        "started": "" if task.started_at is None else moment(task.started_at),
        "ended": "" if task.ended_at is None else moment(task.ended_at),
        "worked": seconds(task.worked_ms) if task.worked_ms else "",
        "expires": "" if task.expires_at is None else moment(task.expires_at),
        "cancel": "somebody asked to stop" if task.cancel_requested else "",
    }
    yield from ((name, text) for name, text in given.items() if text)
    yield from _parts(task)


def _parts(task: Task) -> Iterator[tuple[str, str]]:
    """Give what has parts of its own."""
    if lease := task.lease:
        until = "" if lease.until is None else f" until {moment(lease.until)}"
        yield "held by", f"{lease.holder}{until}, fence {lease.fence}"
    if progress := task.progress:
        total = "" if progress.total is None else f" of {progress.total:g}"
        yield "progress", f"{progress.done:g}{total} {progress.message}"
    for each in task.dependencies:
        yield each.kind.replace("_", " "), f"{short(each.on)} {each.ended}"
    for key, ask in task.open_requests.items():
        yield "asks", f"{key}: {ask.prompt}"
    yield from _values(task)


def _values(task: Task) -> Iterator[tuple[str, str]]:
    """Give what people and programs put in."""
    for name, variable in task.variables.items():
        if not variable.deleted:
            yield "variable", f"{name} = {_json(variable.value)}  (version {variable.version})"
    if task.result is not None:
        yield "result", _json(task.result)
    if task.error:
        yield "error", str(task.error.get("message", ""))
    if task.metadata:
        yield "metadata", _json(_brief(task.metadata))


def _brief(metadata: Mapping[str, object]) -> dict[str, object]:
    """Return metadata without what only the next import from another tracker needs."""
    found: dict[str, object] = dict(metadata)
    for name, value in metadata.items():
        carried: Any = value
        if isinstance(value, dict) and {"id", "digest", "seen"} <= carried.keys():
            found[name] = {"id": carried["id"], **carried.get("kept", {}).get("own", {})}
    return found


def _history(arguments: argparse.Namespace, output: Output) -> int:
    from holdfast.tasks.view import describe_event  # noqa: PLC0415 - only here

    async def find(tasks: Tasks) -> Sequence[Happening]:
        task_id = await tasks.find(arguments.id)
        return await tasks.history(task_id, after=arguments.after, limit=arguments.limit)

    happenings = look(arguments, output, find)
    events = [describe_event(each) for each in happenings]
    output.data({"events": events})
    for event, each in zip(events, happenings, strict=True):
        said = {
            name: value
            for name, value in event.items()
            if name not in _TOLD and value not in _EMPTY
        }
        who = " ".join(filter(None, (str(event.get("by", "")), _from(event.get("via")))))
        details = ", ".join(
            f"{name} {value if isinstance(value, str) else _json(value)}"
            for name, value in said.items()
        )
        line = f"{each.number:>4}  {moment(each.event.at)}  {who:<16} {event['event']}"
        output.line(f"{line}  {details}".rstrip())
    return 0


_EMPTY: tuple[object, ...] = (None, "", (), [], {})
_TOLD = frozenset({"number", "event", "kind", "at", "by", "via", "id", "owner"})


def _from(via: object) -> str:
    return f"({via})" if via else ""


def _json(value: object) -> str:
    import json  # noqa: PLC0415 - only for values

    return json.dumps(value, ensure_ascii=False)
