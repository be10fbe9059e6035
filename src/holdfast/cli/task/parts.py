"""Arguments that verbs of `holdfast task` share, and what they mean."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from holdfast.errors import UsageError

PRIORITIES = ("urgent", "high", "normal", "low", "someday")


def add_id(parser: argparse.ArgumentParser) -> None:
    """Add the id of a task."""
    parser.add_argument("id", metavar="ID", help="the task's id, or a unique beginning of it")


def add_fence(parser: argparse.ArgumentParser) -> None:
    """Add the number of a claim."""
    parser.add_argument(
        "--fence", type=int, metavar="N", help="the number of your claim: a late write is refused"
    )


def add_lease(parser: argparse.ArgumentParser) -> None:
    """Add how long a claim lasts."""
    parser.add_argument(
        "--for", dest="lease", metavar="TIME", default="15m",
        help="how long it stays yours without a word of you, for instance 90s (default 15m)",
    )  # fmt: skip


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add which tasks are wanted."""
    group = parser.add_argument_group("which tasks")
    group.add_argument(
        "--state", action="append", default=[], help="in this state; may be repeated"
    )
    group.add_argument("--open", action="store_true", help="only what has not ended")
    group.add_argument("--tag", action="append", default=[], help="with this tag; may be repeated")
    group.add_argument("--session", help="of this session")
    group.add_argument(
        "--since", metavar="TIME", help="created since: 2026-11-26, or 3d for a span"
    )
    group.add_argument("--before", metavar="TIME", help="created before")
    standing = ("ready", "blocked", "blocked_by_failed")
    group.add_argument("--standing", choices=standing, help="by what they depend on")


def read_priority(text: str) -> int:
    """Return a priority that was given by its name or its number."""
    if text in PRIORITIES:
        return PRIORITIES.index(text)
    if text.isdecimal() and int(text) < len(PRIORITIES):
        return int(text)
    named = ", ".join(f"{number} ({name})" for number, name in enumerate(PRIORITIES))
    raise UsageError(f"{text!r} is no priority", hint=f"give one of {named}")


def read_states(arguments: argparse.Namespace) -> frozenset[str]:
    """Return the states that are wanted; none for all."""
    from holdfast.tasks.state import TRANSITIONS, TaskState, is_terminal  # noqa: PLC0415 - as above

    states: set[str] = set(arguments.state)
    if unknown := states - set(TaskState):
        known = ", ".join(TRANSITIONS)
        raise UsageError(f"{min(unknown)!r} is no state of a task", hint=f"states: {known}")
    if arguments.open:
        states |= {state for state in TaskState if not is_terminal(state)}
    return frozenset(states)


def read_json(text: str) -> object:
    """Return JSON, or the text itself where it is none; `@FILE` reads it from there."""
    import json  # noqa: PLC0415 - only for values

    if text.startswith("@"):
        text = read_file(text[1:])
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_object(text: str, what: str) -> Mapping[str, object]:
    """Return a JSON object."""
    value = read_json(text)
    if not isinstance(value, dict):
        raise UsageError(f"{what} must be a JSON object", hint='for instance {"type": "string"}')
    return value  # pyright: ignore[reportUnknownVariableType]


def read_text(text: str) -> str:
    """Return the text; `@FILE` reads it from there, `-` from standard input."""
    if text == "-":
        import sys  # noqa: PLC0415 - only here

        return sys.stdin.read().strip("\n")
    return read_file(text[1:]) if text.startswith("@") else text


def read_file(name: str) -> str:
    """Return the text of a file."""
    try:
        with open(name, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a start its time
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{name!r} cannot be read: {error}", hint="give a file of text in UTF-8"
        ) from error


def read_pairs(words: Sequence[str]) -> dict[str, str]:
    """Return `NAME=VALUE` words as a mapping."""
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise UsageError(f"{word!r} sets nothing", hint="write NAME=VALUE; lists as JSON")
        if name in pairs:
            raise UsageError(f"{name!r} is set twice", hint="give it once")
        pairs[name] = value
    return pairs
