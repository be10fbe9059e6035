"""`holdfast memory write | supersede | forget`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.memory.desk import Worked, work
from holdfast.cli.memory.parts import (
    add_content,
    add_target,
    entry_of,
    provenance_of,
    said_of,
    secrets_of,
    value_of,
)
from holdfast.cli.memory.printing import described, one_line, short
from holdfast.cli.output import Output

if TYPE_CHECKING:
    from holdfast.memory.entry import Entry
    from holdfast.memory.memories import Memories
    from holdfast.memory.writing import Written


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    if verb == "forget":
        add_target(parser)
        parser.add_argument("--why", default="", help="noted in the tombstone")
        parser.add_argument("--by", metavar="NAME", default="", help="who forgets it")
        return
    if verb == "supersede":
        add_target(parser)
    parser.add_argument("text", metavar="TEXT", nargs="+", help="what to remember; - reads it")
    add_content(parser, namespaced=verb == "write")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Change the memory and say what came of it."""
    if arguments.verb == "forget":
        return _forget(arguments, output)
    value = value_of(arguments)

    async def write(memories: Memories) -> Written:
        from holdfast.memory.drafts import Draft  # noqa: PLC0415 - with the memory
        from holdfast.memory.namespaces import parse_namespace  # noqa: PLC0415

        said = said_of(arguments, memories.clock.now_ms())
        secrets, provenance = secrets_of(arguments), provenance_of(arguments)
        if arguments.verb == "supersede":
            old = await entry_of(memories, arguments.entry)
            return await memories.supersede(
                old.entry.id, value, provenance=provenance, secrets=secrets, **said
            )
        namespace = parse_namespace(arguments.within)
        draft = Draft(value=value, namespace=namespace, provenance=provenance, **said)
        return await memories.write(draft, secrets=secrets)

    make = arguments.verb == "write"
    return _tell(work(arguments, output, write, make=make), output)


def _tell(worked: Worked[Written], output: Output) -> int:
    written = worked.result
    against = [each.id for each in written.contradicts]
    output.data(
        {
            "entry": described(written.entry, "current", against),
            "new": written.is_new,
            "redacted": written.redacted,
            "superseded": [each.id for each in written.superseded],
            "edits": worked.edits_data(),
        }
    )
    verb = "remembered" if written.is_new else "known already, and confirmed:"
    output.line(f"{verb} {short(written.entry.id)}  {one_line(written.entry.headline)}")
    for each in written.superseded:
        output.line(f"in place of {short(each.id)}  {one_line(each.text)}")
    if written.redacted:
        output.note(f"{written.redacted} of what looked like secrets were left out of it")
    for each in written.contradicts:
        output.note(f"it contradicts {short(each.id)}  {one_line(each.text)}")
    if against:
        output.suggest(
            "  both are kept; to settle it: ", "memory", "supersede", short(against[0]), "…"
        )
    worked.tell_edits(output)
    return worked.exit_code


def _forget(arguments: argparse.Namespace, output: Output) -> int:
    async def forget(memories: Memories) -> Entry:
        known = await entry_of(memories, arguments.entry)
        return await memories.forget(known.entry.id, by=arguments.by, why=arguments.why)

    worked = work(arguments, output, forget, make=False)
    entry = worked.result
    output.data({"entry": described(entry, "forgotten"), "edits": worked.edits_data()})
    output.line(f"forgotten {short(entry.id)}  {one_line(entry.headline)}")
    output.suggest("  its history stays: ", "memory", "history", short(entry.id))
    worked.tell_edits(output)
    return worked.exit_code
