"""What a dialect can say of a span, and how its attributes are read. Nothing here raises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypedDict

from holdfast.frozen import NamedTuple
from holdfast.tracing.billing.usage import count_of
from holdfast.tracing.meaning import Role, TokenUsage
from holdfast.tracing.span import Attributes, Span, Value

Names = tuple[str, ...]
"""The names of the attributes of a span, in their order."""


class Facts(TypedDict, total=False):
    """What one convention says of a span; what it does not say is not there."""

    dialect: str
    role: Role | None
    provider: str
    model: str
    usage: TokenUsage
    beyond_tokens: bool
    finish_reasons: tuple[str, ...]
    ttft_ns: int | None
    streamed: bool
    cost: Mapping[str, int]
    tool: str
    input: Value
    output: Value
    session: str
    user: str
    release: str
    workflow: str


class Asked(NamedTuple):
    """How a fact is read, and the attributes that may hold it."""

    read: Callable[..., Any]
    keys: tuple[str, ...]


class Wanted:
    """The facts that attributes are asked for.

    Spans of a program have few sets of names: which attributes of a set can tell anything is found
    out once, and nothing is looked for that is not there.
    """

    def __init__(self, **asked: Asked) -> None:
        self._asked = asked
        self._there = lru_cache(maxsize=512)(self._choose)

    def told(self, attributes: Attributes) -> dict[str, Any]:
        """Return what attributes tell, by the name of the fact."""
        found: dict[str, Any] = {}
        for name, (read, keys) in self._there(tuple(attributes)):
            value = read(attributes, *keys)
            if value is not None:
                found[name] = value
        return found

    def _choose(self, names: Names) -> Sequence[tuple[str, Asked]]:
        there = frozenset(names)
        kept = [
            (name, Asked(read, tuple(key for key in keys if key in there)))
            for name, (read, keys) in self._asked.items()
        ]
        return [(name, asked) for name, asked in kept if asked.keys]


def ask(read: Callable[..., Any], *keys: str) -> Asked:
    """Return how a fact is read: by a function of attributes and keys, from the first that tells it."""
    return Asked(read, keys)


def text(attributes: Attributes, *keys: str) -> str:
    """Return the first text that one of the keys holds."""
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def count(attributes: Attributes, *keys: str) -> int | None:
    """Return the first count of tokens that one of the keys holds."""
    for key in keys:
        number = count_of(attributes.get(key))
        if number is not None:
            return number
    return None


def number(attributes: Attributes, *keys: str) -> float | None:
    """Return the first number that one of the keys holds, also one written as text."""
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                continue
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18:
            return value
    return None


def first(attributes: Attributes, *keys: str) -> Value:
    """Return the first value that is there at all."""
    for key in keys:
        if (value := attributes.get(key)) is not None:
            return value
    return None


def reasons(attributes: Attributes, *keys: str) -> tuple[str, ...]:
    """Return the texts of the first value that is there at all."""
    return texts(first(attributes, *keys))


def texts(value: Value) -> tuple[str, ...]:
    """Return a text or a list of texts as texts."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return tuple(each for each in value if isinstance(each, str))
    return ()


def flag(attributes: Attributes, *keys: str) -> bool | None:
    """Return the first truth that one of the keys holds."""
    return next((value for key in keys if isinstance(value := attributes.get(key), bool)), None)


def any_of(attributes: Attributes, *keys: str) -> bool | None:
    """Return true if one of the keys holds a count above 0."""
    return any(count_of(attributes.get(key)) for key in keys) or None


def seconds(attributes: Attributes, *keys: str) -> int | None:
    """Return the first length of time in seconds that one of the keys holds, in nanoseconds."""
    return seconds_to_ns(number(attributes, *keys))


def seconds_to_ns(seconds: float | None) -> int | None:
    """Return a length of time in nanoseconds."""
    return None if seconds is None or not 0 <= seconds < 1e9 else round(seconds * 1e9)


def since_event(span: Span, names: Iterable[str]) -> int | None:
    """Return how long after its beginning one of these events of a span came first."""
    if not span.events:
        return None
    wanted = frozenset(names)
    times = [event.at_ns - span.start_ns for event in span.events if event.name in wanted]
    return min((each for each in times if each >= 0), default=None)


def dollars(attributes: Attributes, *keys: str) -> Mapping[str, int] | None:
    """Return the first amount of dollars that one of the keys holds, in millionths."""
    amount = number(attributes, *keys)
    return None if amount is None or not 0 <= amount < 1e9 else {"USD": round(amount * 1e6)}


def has(names: Iterable[str], *prefixes: str) -> bool:
    """Whether any name begins so."""
    return any(name.startswith(prefixes) for name in names)


def gathered(attributes: Attributes, prefix: str) -> Value:
    """Return the list that was flattened into `PREFIX.0.role`, `PREFIX.0.content`, ...; None if none."""
    keys = _flattened(tuple(attributes), f"{prefix}.")
    if not keys:
        return None
    items: dict[int, dict[str, Value]] = {}
    for name, place, rest in keys:
        items.setdefault(place, {})[rest] = attributes[name]
    return [_nested(items[place]) for place in sorted(items)]


@lru_cache(maxsize=1024)
def _flattened(names: tuple[str, ...], start: str) -> Sequence[tuple[str, int, str]]:
    """Return names of a flattened list, each with its place and what it says of the item there."""
    found: list[tuple[str, int, str]] = []
    for name in names:
        if name.startswith(start):
            place, _, rest = name[len(start) :].partition(".")
            if place.isdecimal() and len(place) < 7 and rest:
                found.append((name, int(place), rest))
    return found


def _nested(members: Mapping[str, Value]) -> Value:
    """Return members whose names are ways as mappings within mappings."""
    made: dict[str, Value] = {}
    for name, value in members.items():
        *way, last = name.split(".")
        at: dict[str, Value] = made
        for step in way:
            inner = at.setdefault(step, {})
            if not isinstance(inner, dict):
                inner = at[step] = {"value": inner}
            at = inner
        at[last] = value
    return made
