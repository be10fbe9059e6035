"""`holdfast task start`, `progress`, `block`, `unblock` and `answer`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from holdfast.cli.output import Output
from holdfast.cli.task.desk import work
from holdfast.cli.task.parts import add_fence, add_id, read_json, read_object, read_text
from holdfast.cli.task.printing import print_changed, short
from holdfast.errors import TaskConflict, UsageError

if TYPE_CHECKING:
    from holdfast.tasks.record import Task
    from holdfast.tasks.service import Tasks


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    add_id(parser)
    _ARGUMENTS[verb](parser)
    if verb not in ("unblock", "answer"):
        add_fence(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Change the task."""
    act = _ACTIONS[arguments.verb]

    async def change(tasks: Tasks) -> Task:
        return await act(tasks, await tasks.find(arguments.id), arguments)

    task = work(arguments, output, change, make=False)
    asked = ", ".join(task.open_requests)
    said = f"asks: {asked}" if asked else ""
    return print_changed(task, output, said=said)


def _start_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--message", "-m", default="", help="what is being done")


def _progress_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("done", type=float, metavar="DONE", help="how much is done")
    parser.add_argument("total", type=float, metavar="TOTAL", nargs="?", help="of how much")
    parser.add_argument("--message", "-m", default="", help="what is being done")


def _block_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reason", metavar="REASON", help="why it cannot go on, or a question")
    parser.add_argument("--key", help="names the question (default: blocked-N)")
    parser.add_argument("--schema", help="JSON Schema of the answer; @FILE reads it from there")


def _answer_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("value", metavar="ANSWER", help="the answer: JSON or text, @FILE")
    parser.add_argument("--key", help="which question, if the task asks several")


def _unblock_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("value", metavar="ANSWER", nargs="?", default="true", help="the answer")
    parser.add_argument("--key", help="which question, if the task asks several")


async def _start(tasks: Tasks, task_id: str, arguments: argparse.Namespace) -> Task:
    return await tasks.start(task_id, arguments.message, fence=arguments.fence)


async def _progress(tasks: Tasks, task_id: str, arguments: argparse.Namespace) -> Task:
    return await tasks.progress(
        task_id, arguments.done, arguments.total, arguments.message, fence=arguments.fence
    )


async def _block(tasks: Tasks, task_id: str, arguments: argparse.Namespace) -> Task:
    reason, schema = read_text(arguments.reason), _schema(arguments.schema)
    if arguments.key is None:
        if schema is not None:
            raise UsageError("--schema needs --key", hint="name the question with --key NAME")
        return await tasks.block(task_id, reason, fence=arguments.fence)
    return await tasks.require_input(task_id, arguments.key, reason, schema, fence=arguments.fence)


async def _answer(tasks: Tasks, task_id: str, arguments: argparse.Namespace) -> Task:
    asked = list((await tasks.get(task_id)).open_requests)
    key: str | None = arguments.key
    if key is None and len(asked) != 1:
        _refuse(task_id, asked)
    return await tasks.answer(task_id, key or asked[0], read_json(arguments.value))


def _refuse(task_id: str, asked: list[str]) -> None:
    if asked:
        raise UsageError(
            f"task {short(task_id)} asks {len(asked)} questions",
            hint=f"add --key with one of: {', '.join(asked)}",
        )
    raise TaskConflict(
        f"task {short(task_id)} asks for nothing",
        hint=f"`holdfast task show {short(task_id)}` shows how it stands",
    )


def _schema(text: str | None) -> Mapping[str, object] | None:
    return None if text is None else read_object(text, "the schema")


_ARGUMENTS = {
    "start": _start_arguments,
    "progress": _progress_arguments,
    "block": _block_arguments,
    "unblock": _unblock_arguments,
    "answer": _answer_arguments,
}
_ACTIONS = {
    "start": _start,
    "progress": _progress,
    "block": _block,
    "unblock": _answer,
    "answer": _answer,
}
