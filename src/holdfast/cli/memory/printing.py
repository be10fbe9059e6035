"""Print entries: a line each, or all of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from holdfast.cli.output import Output, moment
from holdfast.cli.tables import print_table, shortened

if TYPE_CHECKING:
    from holdfast.memory.entry import Entry
    from holdfast.memory.memories import Known

_TITLE = 60
CONTRADICTED = "!"


def short(entry_id: str) -> str:
    """Return the beginning of an id that people type."""
    return entry_id[:8]


def described(entry: Entry, state: str, against: Sequence[str] = ()) -> dict[str, object]:
    """Return an entry as JSON: what people see in its file, its state and its end."""
    from holdfast.memory.fields import visible_fields  # noqa: PLC0415 - with the memory
    from holdfast.memory.times import format_time  # noqa: PLC0415

    ended = {
        "state": state,
        "contradicted_by": list(against),
        "superseded_by": entry.superseded_by or None,
        "ended_at": None if entry.ended_at is None else format_time(entry.ended_at),
        "ended_by": entry.ended_by or None,
        "why": entry.why or None,
    }
    return {**visible_fields(entry), **ended}


def describe_all(known: Sequence[Known]) -> list[dict[str, object]]:
    """Return entries as JSON."""
    return [described(each.entry, each.state, each.contradicted_by) for each in known]


def print_known(known: Sequence[Known], output: Output) -> None:
    """Print entries as a table; those that others speak against are marked."""
    rows: list[tuple[str, ...]] = [("ID", "IN", "KIND", "STATE", "RECORDED", "KEY", "SAYS")]
    rows += [
        (
            short(each.entry.id) + (CONTRADICTED if each.contradicted_by else ""),
            str(each.entry.namespace),
            str(each.entry.kind),
            str(each.state),
            moment(each.entry.recorded_at),
            each.entry.key,
            one_line(each.entry.title or each.entry.text),
        )
        for each in known
    ]
    print_table(rows, output, elastic=6, spare=("RECORDED", "IN", "STATE", "KIND", "KEY"))
    if any(each.contradicted_by for each in known):
        output.note(f"{CONTRADICTED} another entry with the same key says something else")


def print_entry(known: Known, output: Output) -> None:
    """Print all of an entry."""
    entry = known.entry
    fields = described(entry, known.state, known.contradicted_by)
    del fields["text"]
    for name, value in fields.items():
        if value in (None, "", [], {}):
            continue
        output.line(f"{name.replace('_', ' ')}: {_in_words(value)}")
    output.line()
    output.line(entry.text)


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return ", ".join(f"{name} {each}" for name, each in members.items())
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[object]", value)))
    return str(value)


def one_line(text: str) -> str:
    """Return the beginning of a text for a table, with a mark where it goes on."""
    return shortened(" ".join(text.split()), _TITLE)
