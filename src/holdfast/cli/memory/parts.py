"""Arguments that verbs of `holdfast memory` share, and what they mean."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.options import check_limit
from holdfast.errors import EntryNotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.memory.entry import Provenance
    from holdfast.memory.memories import Known, Memories
    from holdfast.memory.namespaces import Namespace

KINDS = ("fact", "decision", "preference", "procedure", "episode")
STANDINGS = ("proposed", "accepted", "rejected")
STATES = ("current", "upcoming", "lapsed", "expired", "superseded", "forgotten")
_NAMESPACE = "project, or agent:NAME, workflow:NAME, node:WORKFLOW/NODE, user:NAME"
_SHOWN = 5


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add which entry is meant."""
    parser.add_argument(
        "entry", metavar="ENTRY", help="its key, its id, or a unique beginning of its id"
    )


def add_namespaces(parser: argparse.ArgumentParser) -> None:
    """Add where to look."""
    parser.add_argument(
        "--in", dest="within", action="append", metavar="NAMESPACE",
        help=f"only here; may be repeated: {_NAMESPACE}",
    )  # fmt: skip


def add_filters(parser: argparse.ArgumentParser, limit: int) -> None:
    """Add which entries are wanted."""
    add_namespaces(parser)
    group = parser.add_argument_group("which entries")
    group.add_argument("--kind", action="append", choices=KINDS, help="may be repeated")
    group.add_argument(
        "--state", action="append", choices=STATES, help="may be repeated (default current)"
    )
    group.add_argument("--all", action="store_true", help="in any state")
    group.add_argument(
        "--since", metavar="TIME", help="recorded since: 2026-05-31, or 3d for a span"
    )
    group.add_argument("--before", metavar="TIME", help="recorded before")
    group.add_argument(
        "--limit", type=int, default=limit, metavar="N", help=f"how many (default {limit})"
    )


def add_content(parser: argparse.ArgumentParser, *, namespaced: bool) -> None:
    """Add what an entry says besides its text."""
    group = parser.add_argument_group("what it says")
    if namespaced:
        group.add_argument(
            "--in", dest="within", default="project", metavar="NAMESPACE",
            help=f"whose memory: {_NAMESPACE} (default project)",
        )  # fmt: skip
    group.add_argument("--key", help="what it is about; one value is believed for a key")
    group.add_argument("--kind", choices=KINDS, help="what sort of thing it is (default fact)")
    group.add_argument("--title", help="what it is called")
    group.add_argument("--reason", help="why it was decided so")
    group.add_argument(
        "--alternative", action="append", metavar="TEXT", help="what else was weighed; repeatable"
    )
    group.add_argument("--status", choices=STANDINGS, help="how a decision stands")
    group.add_argument("--valid-from", metavar="TIME", help="from when on it is so in the world")
    group.add_argument("--valid-until", metavar="TIME", help="until when it is so")
    group.add_argument("--ttl", metavar="SPAN", help="for how long to believe it, such as 30d")
    group.add_argument("--expires-at", metavar="TIME", help="until when to believe it")
    group.add_argument(
        "--json-value", action="store_true", help="the text is JSON: store the value it stands for"
    )
    _add_provenance(parser)
    secrets = parser.add_argument_group("what looks like a key or a password")
    only = secrets.add_mutually_exclusive_group()
    only.add_argument("--allow-secret", action="store_true", help="store it as it is")
    only.add_argument("--redact-secrets", action="store_true", help="store the text without it")


def _add_provenance(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it comes from")
    group.add_argument("--by", metavar="NAME", help="who says so")
    group.add_argument("--run", dest="run_id", metavar="ID", help="the run that learnt it")
    group.add_argument("--task", metavar="ID", help="the task that it was learnt for")
    group.add_argument("--session", metavar="NAME", help="the session that it was learnt in")
    group.add_argument(
        "--source", metavar="WHERE", help="a file or an address; a file is noted with its hash"
    )
    group.add_argument("--confidence", type=float, metavar="0..1", help="how sure it is")
    group.add_argument("--checked-by", metavar="NAME", help="who has checked it")


def provenance_of(arguments: argparse.Namespace) -> Provenance:
    """Return where an entry comes from."""
    from holdfast.memory.entry import Provenance  # noqa: PLC0415 - only to write

    source: str = arguments.source or ""
    return Provenance(
        by=arguments.by or "",
        run=arguments.run_id or "",
        task=arguments.task or "",
        session=arguments.session or "",
        source=source,
        source_hash=_hash_of(source),
        confidence=arguments.confidence,
        checked_by=arguments.checked_by or "",
    )


def said_of(arguments: argparse.Namespace, now: int) -> Mapping[str, Any]:
    """Return the fields of a draft that were given."""
    from holdfast.memory.entry import Kind, Standing  # noqa: PLC0415 - only to write
    from holdfast.memory.times import parse_length, parse_time  # noqa: PLC0415

    if arguments.ttl and arguments.expires_at:
        raise UsageError("--ttl and --expires-at say the same", hint="give one of them")
    given = {
        "key": arguments.key,
        "kind": arguments.kind and Kind(arguments.kind),
        "title": arguments.title,
        "reason": arguments.reason,
        "alternatives": arguments.alternative and tuple(arguments.alternative),
        "standing": arguments.status and Standing(arguments.status),
        "valid_from": arguments.valid_from and parse_time(arguments.valid_from),
        "valid_until": arguments.valid_until and parse_time(arguments.valid_until),
        "expires_at": arguments.expires_at and parse_time(arguments.expires_at),
    }
    if arguments.ttl:
        given["expires_at"] = now + parse_length(arguments.ttl)
    return {name: each for name, each in given.items() if each is not None}


def value_of(arguments: argparse.Namespace) -> object:
    """Return what is to be remembered; `-` reads it from standard input."""
    text = " ".join(arguments.text)
    if arguments.text == ["-"]:
        text = sys.stdin.read().removesuffix("\n")
    if not arguments.json_value:
        return text
    import json  # noqa: PLC0415 - only for JSON

    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"the text is no JSON: {error}", hint="leave --json-value out") from error


def secrets_of(arguments: argparse.Namespace) -> Any:
    """Return what is to be done with what looks like a secret."""
    if arguments.allow_secret:
        return "allow"
    return "redact" if arguments.redact_secrets else "refuse"


def namespaces_of(arguments: argparse.Namespace) -> list[Namespace] | None:
    """Return where to look; None for everywhere."""
    from holdfast.memory.namespaces import parse_namespace  # noqa: PLC0415 - with the memory

    return (
        None if arguments.within is None else [parse_namespace(each) for each in arguments.within]
    )


def asked_of(arguments: argparse.Namespace, now: int) -> dict[str, Any]:
    """Return which entries are wanted."""
    from holdfast.memory.belief import State  # noqa: PLC0415 - with the memory

    check_limit(arguments)
    states = STATES if arguments.all else (arguments.state or ("current",))
    return {
        "namespaces": namespaces_of(arguments),
        "kinds": arguments.kind,
        "states": tuple(map(State, states)),
        "since": moment_of(arguments.since, now),
        "before": moment_of(arguments.before, now),
    }


def moment_of(text: str | None, now: int) -> int | None:
    """Return an instant that was given as one, or as a length of time before now."""
    from holdfast.memory.times import parse_length, parse_time  # noqa: PLC0415 - with the memory

    if text is None:
        return None
    try:
        return parse_time(text)
    except UsageError as error:
        try:
            return now - parse_length(text)
        except UsageError:
            raise UsageError(error.message, hint=f"{error.hint}, or 3d for a span") from None


async def entry_of(memories: Memories, text: str) -> Known:
    """Return the entry that is meant by a key, an id or the beginning of one.

    Raises:
        EntryNotFound: there is none, or there are several.
    """
    known = await memories.list(key=text)
    if len(known) == 1:
        return known[0]
    if len(known) > 1:
        listed = ", ".join(
            f"{each.entry.id[:8]} ({each.entry.namespace})" for each in known[:_SHOWN]
        )
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        raise EntryNotFound(
            f"{len(known)} entries have the key {text!r}: {listed}{more}", hint="give an id"
        )
    return await memories.get(text)


def _hash_of(source: str) -> str:
    """Return the hash of a file that is a source, empty for anything else."""
    try:
        if not source or not Path(source).is_file():
            return ""
        from hashlib import file_digest  # noqa: PLC0415 - hardly ever

        with Path(source).open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
