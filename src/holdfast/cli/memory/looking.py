"""`holdfast memory read | list | search | history | prime | as-of`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from holdfast.cli.memory.desk import look
from holdfast.cli.memory.parts import (
    add_filters,
    add_namespaces,
    add_target,
    asked_of,
    entry_of,
    moment_of,
    namespaces_of,
)
from holdfast.cli.memory.printing import (
    describe_all,
    described,
    one_line,
    print_entry,
    print_known,
    short,
)
from holdfast.cli.output import Output, count, iso, moment

if TYPE_CHECKING:
    from holdfast.memory.events import Event
    from holdfast.memory.memories import Known, Memories
    from holdfast.memory.priming import Primed
    from holdfast.memory.searching import Found

_BUDGET = 4000


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    if verb in ("read", "history"):
        add_target(parser)
    if verb == "read":
        add_namespaces(parser)
    if verb == "search":
        parser.add_argument("text", metavar="WORD", nargs="+", help="any of these, in any form")
    if verb in ("list", "search"):
        add_filters(parser, 50 if verb == "list" else 10)
    if verb == "list":
        parser.add_argument("--key", help="only what is about this")
    if verb == "prime":
        parser.add_argument(
            "--budget", type=int, default=_BUDGET, metavar="N",
            help=f"the most characters to print (default {_BUDGET})",
        )  # fmt: skip
        parser.add_argument("--query", metavar="TEXT", help="put first what fits this")
        add_namespaces(parser)
    if verb == "as-of":
        parser.add_argument("time", metavar="TIME", help="2026-05-31T18:30:00Z, or 3d for a span")
        parser.add_argument(
            "--valid-at",
            metavar="TIME",
            help="what was believed about this time (default: the same)",
        )
        add_namespaces(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print what was asked for."""
    return _VERBS[arguments.verb](arguments, output)


def _read(arguments: argparse.Namespace, output: Output) -> int:
    async def read(memories: Memories) -> Sequence[Known]:
        known = await memories.list(key=arguments.entry, namespaces=namespaces_of(arguments))
        return known or [await memories.get(arguments.entry)]

    worked = look(arguments, output, read)
    output.data({"entries": describe_all(worked.result), "edits": worked.edits_data()})
    for number, each in enumerate(worked.result):
        if number:
            output.line()
        print_entry(each, output)
    if any(each.contradicted_by for each in worked.result):
        output.note("these contradict one another; `supersede` or `forget` settles it")
    worked.tell_edits(output)
    return worked.exit_code


def _list(arguments: argparse.Namespace, output: Output) -> int:
    async def list_(memories: Memories) -> Sequence[Known]:
        return await memories.list(
            key=arguments.key, **asked_of(arguments, memories.clock.now_ms())
        )

    worked = look(arguments, output, list_)
    shown = worked.result[: arguments.limit]
    left = len(worked.result) - len(shown)
    output.data({"entries": describe_all(shown), "left_out": left, "edits": worked.edits_data()})
    if shown:
        print_known(shown, output)
    else:
        output.line("nothing is remembered that fits")
    if left:
        output.note(f"{left} more; --limit N shows them")
    worked.tell_edits(output)
    return worked.exit_code


def _search(arguments: argparse.Namespace, output: Output) -> int:
    async def search(memories: Memories) -> Sequence[Found]:
        asked = asked_of(arguments, memories.clock.now_ms())
        return await memories.search(" ".join(arguments.text), limit=arguments.limit, **asked)

    worked = look(arguments, output, search)
    output.data(
        {
            "entries": [
                {
                    **described(each.entry, each.state),
                    "score": round(each.score, 4),
                    "snippet": each.snippet,
                    "beside": each.beside or None,
                }
                for each in worked.result
            ],
            "edits": worked.edits_data(),
        }
    )
    for each in worked.result:
        entry = each.entry
        about = f"({entry.namespace}, {entry.kind}, {each.state})"
        output.line(f"{short(entry.id)}  {one_line(entry.title or entry.key)}  {about}")
        beside = f" (beside {short(each.beside)})" if each.beside else ""
        output.line(f"          {' '.join(each.snippet.split())}{beside}")
    if not worked.result:
        output.line("nothing was found")
    worked.tell_edits(output)
    return worked.exit_code


def _history(arguments: argparse.Namespace, output: Output) -> int:
    async def history(memories: Memories) -> Sequence[Event]:
        known = await entry_of(memories, arguments.entry)
        return await memories.history(known.entry.id)

    worked = look(arguments, output, history)
    output.data(
        {
            "events": [
                {
                    "event": str(each.change),
                    "at": iso(each.at),
                    "by": each.by,
                    "why": each.why,
                    "entry": described(each.entry, ""),
                }
                for each in worked.result
            ],
            "edits": worked.edits_data(),
        }
    )
    for each in worked.result:
        who = f" by {each.by}" if each.by else ""
        why = f" ({each.why})" if each.why else ""
        line = f"{moment(each.at)}  {short(each.entry.id)}  {each.change}{who}{why}"
        output.line(f"{line}: {one_line(each.entry.text)}")
    worked.tell_edits(output)
    return worked.exit_code


def _prime(arguments: argparse.Namespace, output: Output) -> int:
    async def prime(memories: Memories) -> Primed:
        return await memories.prime(
            arguments.budget, query=arguments.query, namespaces=namespaces_of(arguments)
        )

    worked = look(arguments, output, prime)
    primed = worked.result
    output.data(
        {
            "text": primed.text,
            "budget": primed.budget,
            "characters": len(primed.text),
            "included": [each.id for each in primed.included],
            "left_out": [
                {
                    "id": each.id,
                    "headline": each.headline,
                    "kind": str(each.kind),
                    "characters": each.characters,
                }
                for each in primed.left_out
            ],
            "receipt": primed.digest,
            "edits": worked.edits_data(),
        }
    )
    output.line(primed.text.removesuffix("\n"))
    for each in primed.left_out:
        size = count(each.characters, "character")
        output.note(f"left out: {short(each.id)}  {each.kind}  {one_line(each.headline)}  ({size})")
    worked.tell_edits(output)
    return worked.exit_code


def _as_of(arguments: argparse.Namespace, output: Output) -> int:
    async def as_of(memories: Memories) -> Sequence[Known]:
        now = memories.clock.now_ms()
        at = moment_of(arguments.time, now)
        valid_at = moment_of(arguments.valid_at, now)
        assert at is not None
        return await memories.as_of(at, valid_at=valid_at, namespaces=namespaces_of(arguments))

    worked = look(arguments, output, as_of)
    output.data({"entries": describe_all(worked.result), "edits": worked.edits_data()})
    if worked.result:
        print_known(worked.result, output)
    else:
        output.line("nothing was believed then")
    worked.tell_edits(output)
    return worked.exit_code


_VERBS: dict[str, Callable[[argparse.Namespace, Output], int]] = {
    "read": _read,
    "list": _list,
    "search": _search,
    "history": _history,
    "prime": _prime,
    "as-of": _as_of,
}
