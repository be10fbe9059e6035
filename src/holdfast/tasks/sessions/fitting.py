"""Say as much as fits into a number of characters, and name what was left out. Pure.

A section is a list of items, the most important first. Each item has a whole and a brief form. First
some of every section is said in brief, then these few are said whole, then the rest. What did not fit
is told by the last lines: how many items of which section were left out or shortened, as many of their
ids as there is room for, and the command that shows them. `Fitted` has all of the ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from holdfast.errors import UsageError

_REST = "Not said, to stay within the budget:"
_FIRST = 3
"""How many items of each section come before the rest of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something to be said; `label` is what its id is shortened to. Forms have no line end."""

    id: str
    label: str
    whole: str
    brief: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Things of one sort. `more` is the command that shows all of them."""

    name: str
    title: str
    items: Sequence[Item]
    more: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What became of a section: ids of the items by how they were said."""

    total: int
    whole: Sequence[str] = ()
    shortened: Sequence[str] = ()
    left_out: Sequence[str] = ()


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


class _Form(IntEnum):
    """How much is said of an item."""

    NONE = 0
    BRIEF = 1
    WHOLE = 2


_Forms = Sequence[list[_Form]]


def fit(head: str, sections: Sequence[Section], budget: int) -> Fitted:
    """Return a text that begins with `head` and says as much of the sections as the budget allows.

    Raises:
        UsageError: not even the head and how much was left out fit.
    """
    told = [section for section in sections if section.items]
    forms: _Forms = [[_Form.WHOLE] * len(section.items) for section in told]
    text = _text(head, told, forms)
    if len(text) > budget:
        forms = [[_Form.NONE] * len(section.items) for section in told]
        bare = len(_text(head, told, forms)) + len(_footer(_worst(told), room=0))
        if bare > budget:
            raise UsageError(
                f"{budget} characters are too few to say even what there is",
                hint=f"allow {bare} or more",
            )
        _choose(told, forms, budget - bare)
        text = _text(head, told, forms)
        rests = _rests(told, forms)
        room = budget - len(text) - len(_footer(rests, room=0))
        text += _footer(rests, room=room)
    parts = {each.name: _part(each, its) for each, its in zip(told, forms, strict=True)}
    return Fitted(text=text, budget=budget, parts=parts)


def _choose(sections: Sequence[Section], forms: _Forms, room: int) -> None:
    """Choose the forms of the items, so that they take no more than the room."""
    for at, number, form in _wishes(sections):
        item = sections[at].items[number]
        wanted = _Form.WHOLE if item.whole == item.brief else form
        cost = _cost(item, wanted) - _cost(item, forms[at][number])
        if wanted > forms[at][number] and cost <= room:
            forms[at][number] = wanted
            room -= cost


def _wishes(sections: Sequence[Section]) -> Iterator[tuple[int, int, _Form]]:
    """Give what should be said in the order of its importance: section, item, form."""
    for first in (True, False):
        for form in (_Form.BRIEF, _Form.WHOLE):
            for at, section in enumerate(sections):
                count = len(section.items)
                numbers = range(min(_FIRST, count)) if first else range(_FIRST, count)
                yield from ((at, number, form) for number in numbers)


def _cost(item: Item, form: _Form) -> int:
    match form:
        case _Form.NONE:
            return 0
        case _Form.BRIEF:
            return len(item.brief) + 1
        case _Form.WHOLE:
            return len(item.whole) + 1


def _text(head: str, sections: Sequence[Section], forms: _Forms) -> str:
    lines = [head]
    for section, its in zip(sections, forms, strict=True):
        lines += ("", f"{section.title} ({len(section.items)})")
        for item, form in zip(section.items, its, strict=True):
            if form:
                lines.append(item.whole if form is _Form.WHOLE else item.brief)
    return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """What was not said of a section: the labels of its items."""

    section: Section
    left_out: Sequence[str]
    shortened: Sequence[str]


def _rests(sections: Sequence[Section], forms: _Forms) -> list[_Rest]:
    found: list[_Rest] = []
    for section, its in zip(sections, forms, strict=True):
        pairs = list(zip(section.items, its, strict=True))
        rest = _Rest(
            section=section,
            left_out=[item.label for item, form in pairs if form is _Form.NONE],
            shortened=[item.label for item, form in pairs if form is _Form.BRIEF],
        )
        if rest.left_out or rest.shortened:
            found.append(rest)
    return found


def _worst(sections: Sequence[Section]) -> list[_Rest]:
    """Return rests whose lines are at least as long as any that may come, without ids."""
    every = ([item.label for item in section.items] for section in sections)
    return [
        _Rest(section=section, left_out=labels, shortened=labels)
        for section, labels in zip(sections, every, strict=True)
    ]


def _footer(rests: Sequence[_Rest], *, room: int) -> str:
    """Return what is not said; ids are given as long as they fit into `room` characters."""
    lines = ["", "", _REST]
    for rest in rests:
        said: list[str] = []
        if rest.left_out:
            names = _names(rest.left_out, room)
            room -= len(names)
            total = len(rest.section.items)
            said.append(f"{len(rest.left_out)} of {total} left out{names}")
        if rest.shortened:
            names = _names(rest.shortened, room)
            room -= len(names)
            said.append(f"{len(rest.shortened)} shortened{names}")
        lines.append(f"- {rest.section.title}: {', '.join(said)}; see: {rest.section.more}")
    return "\n".join(lines)


def _names(labels: Sequence[str], room: int) -> str:
    """Return as many labels as there is room for, and how many more there are."""
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


def _part(section: Section, its: Sequence[_Form]) -> Part:
    def ids(form: _Form) -> tuple[str, ...]:
        return tuple(item.id for item, each in zip(section.items, its, strict=True) if each is form)

    return Part(
        total=len(section.items),
        whole=ids(_Form.WHOLE),
        shortened=ids(_Form.BRIEF),
        left_out=ids(_Form.NONE),
    )
