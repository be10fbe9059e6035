"""Say as much as fits into a number of characters, and name what was left out. Pure.

A section is a list of items, the most important first. Each item has a whole and a brief form. First
some of every section is said in brief, then these few are said whole, then the rest. What did not fit
is told by the last lines: how many items of which section were left out or shortened, as many of their
ids as there is room for, and the command that shows them. `Fitted` has all of the ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from holdfast.errors import UsageError
from holdfast.tasks.sessions.drafting import Draft, Form, Part, Section

_REST = "\n\nNot said, to stay within the budget:"
_FIRST = 3
"""How many items of each section come before the rest of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A text of at most `budget` characters, and what is in it and what is not, by section."""

    text: str
    budget: int
    parts: Mapping[str, Part] = field(default_factory=dict[str, Part])

    @property
    def is_complete(self) -> bool:
        """Whether everything was said whole."""
        return not any(part.left_out or part.shortened for part in self.parts.values())


def fit(head: str, sections: Sequence[Section], budget: int) -> Fitted:
    """Return a text that begins with `head` and says as much of the sections as the budget allows.

    Raises:
        UsageError: not even the head and how much was left out fit.
    """
    told = [section for section in sections if section.items]
    drafts = [Draft(section, Form.WHOLE) for section in told]
    text = _text(head, drafts)
    if len(text) > budget:
        everything = len(text)
        drafts = [Draft(section, Form.NONE) for section in told]
        room = budget - _size(head, drafts)
        if room < 0:
            raise UsageError(
                f"{budget} characters are too few to say even what there is",
                hint=f"allow {min(budget - room, everything)} or more",
            )
        _improve(drafts, room)
        text = _text(head, drafts)
        text += _footer(drafts, room=budget - _size(head, drafts))
    parts = {each.section.name: each.part() for each in drafts}
    return Fitted(text=text, budget=budget, parts=parts)


def _improve(drafts: Sequence[Draft], room: int) -> None:
    """Say as much as there is room for."""
    before = None
    while (
        room != before
    ):  # once a section is whole, what was told of its rest makes room for others
        before = room
        for at, number, form in _wishes([draft.section for draft in drafts]):
            room = drafts[at].improve(number, form, room)


def _wishes(sections: Sequence[Section]) -> Iterator[tuple[int, int, Form]]:
    """Give what should be said in the order of its importance: section, item, form."""
    ranks = sorted({section.rank for section in sections})
    for first, rank, form in product((True, False), ranks, (Form.BRIEF, Form.WHOLE)):
        for at, section in enumerate(sections):
            if section.rank == rank:
                count = len(section.items)
                numbers = range(min(_FIRST, count)) if first else range(_FIRST, count)
                yield from ((at, number, form) for number in numbers)


def _text(head: str, drafts: Sequence[Draft]) -> str:
    return "\n".join([head, *(line for draft in drafts for line in draft.lines())])


def _size(head: str, drafts: Sequence[Draft]) -> int:
    """Return the characters of the text with its last lines, but for ids in these."""
    return len(head) + len(_REST) + sum(draft.size for draft in drafts)


def _footer(drafts: Sequence[Draft], *, room: int) -> str:
    """Return what is not said; ids are given as long as they fit into `room` characters."""
    lines = [_REST]
    for draft in drafts:
        if draft.is_whole:
            continue
        left_out = _names(draft.labels(Form.NONE), room)
        room -= len(left_out)
        shortened = _names(draft.labels(Form.BRIEF), room)
        room -= len(shortened)
        lines.append(draft.rest(left_out, shortened))
    return "\n".join(lines)


def _names(labels: Sequence[str], room: int) -> str:
    """Return as many labels as there is room for, and how many more there are."""
    if not labels:
        return ""
    every = f" ({' '.join(labels)})"
    if len(every) <= room:
        return every
    best, joined = "", ""
    for number, label in enumerate(labels, 1):
        joined = f"{joined} {label}" if joined else label
        tried = f" ({joined} and {len(labels) - number} more)"
        if len(tried) > room:
            break
        best = tried
    return best
