"""A section of a text that has to stay within a budget: what is said of it, and how long that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something to be said; `label` is what its id is shortened to. Forms have no line end."""

    id: str
    label: str
    whole: str
    brief: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Things of one sort, the most important first.

    `more` is the command that shows all of them. Sections of a lower `rank` get the room first,
    wherever they stand.
    """

    name: str
    title: str
    items: Sequence[Item]
    more: str
    rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What became of a section: ids of the items by how they were said."""

    total: int
    whole: Sequence[str] = ()
    shortened: Sequence[str] = ()
    left_out: Sequence[str] = ()


class Form(IntEnum):
    """How much is said of an item."""

    NONE = 0
    BRIEF = 1
    WHOLE = 2


class Draft:
    """A section with the form of each item, and the number of characters that this takes."""

    def __init__(self, section: Section, form: Form) -> None:
        self.section = section
        self._forms = [form] * len(section.items)
        self._counts = dict.fromkeys(Form, 0) | {form: len(section.items)}
        self._said = sum(_length(item, form) for item in section.items)

    @property
    def is_whole(self) -> bool:
        """Whether everything is said whole."""
        return self._counts[Form.WHOLE] == len(self._forms)

    @property
    def size(self) -> int:
        """The characters of the section, and of the line of its rest without ids."""
        title = 0 if self._counts[Form.NONE] == len(self._forms) else len(self._title()) + 2
        return title + self._said + (0 if self.is_whole else len(self.rest()) + 1)

    def improve(self, number: int, form: Form, room: int) -> int:
        """Say more of an item if there is room for it; return the room that is left.

        The brief form is passed over where the whole one takes no more, since less is left to be told
        of then.
        """
        if self._forms[number] >= form or self._is_hopeless(number, room):
            return room
        cost = self._cost(number, form)
        whole = self._cost(number, Form.WHOLE)
        wanted, cost = (Form.WHOLE, whole) if whole <= cost else (form, cost)
        if cost > room:
            return room
        self._put(number, wanted)
        return room - cost

    def lines(self) -> Iterator[str]:
        """Give the title and what is said below it, if anything is."""
        if any(self._forms):
            yield ""
            yield self._title()
        for item, form in zip(self.section.items, self._forms, strict=True):
            if form:
                yield item.whole if form is Form.WHOLE else item.brief

    def rest(self, left_out: str = "", shortened: str = "") -> str:
        """Return the line that says how much is not said, with names of it."""
        left, short, said = self._counts[Form.NONE], self._counts[Form.BRIEF], list[str]()
        if left:
            said.append(f"{left} of {len(self._forms)} left out{left_out}")
        if short:
            said.append(f"{short} shortened{shortened}")
        return f"- {self.section.title}: {', '.join(said)}; see: {self.section.more}"

    def labels(self, form: Form) -> list[str]:
        """Return the labels of the items that are said in this form."""
        pairs = zip(self.section.items, self._forms, strict=True)
        return [item.label for item, each in pairs if each is form]

    def part(self) -> Part:
        """Return what became of the section."""

        def ids(form: Form) -> tuple[str, ...]:
            pairs = zip(self.section.items, self._forms, strict=True)
            return tuple(item.id for item, each in pairs if each is form)

        return Part(
            total=len(self._forms),
            whole=ids(Form.WHOLE),
            shortened=ids(Form.BRIEF),
            left_out=ids(Form.NONE),
        )

    def _is_hopeless(self, number: int, room: int) -> bool:
        """Whether there is no room, which is seen at once while others are in the same form.

        Then the line of the rest becomes shorter by a digit at most.
        """
        item, before = self.section.items[number], self._forms[number]
        least = min(_length(item, Form.BRIEF), _length(item, Form.WHOLE)) - _length(item, before)
        return self._counts[before] > 1 and least - 1 > room

    def _cost(self, number: int, form: Form) -> int:
        """Return how many characters more the section takes with another form of an item."""
        size, before = self.size, self._forms[number]
        self._put(number, form)
        cost = self.size - size
        self._put(number, before)
        return cost

    def _put(self, number: int, form: Form) -> None:
        item, before = self.section.items[number], self._forms[number]
        self._counts[before] -= 1
        self._counts[form] += 1
        self._said += _length(item, form) - _length(item, before)
        self._forms[number] = form

    def _title(self) -> str:
        return f"{self.section.title} ({len(self._forms)})"


def _length(item: Item, form: Form) -> int:
    match form:
        case Form.NONE:
            return 0
        case Form.BRIEF:
            return len(item.brief) + 1
        case Form.WHOLE:
            return len(item.whole) + 1
