"""Decide whether a recorded history could have happened one verb at a time.

A history holds calls with the moments at which they began and ended. It is *linearizable* if
each call can be given one moment between its two, so that the calls in that order are what a
single caller would have seen. Every key is judged on its own, which is the same as judging all
of them together (Herlihy and Wing 1990, "Linearizability", theorem 1). The search is that of
Wing and Gong (1993) with the memory of Lowe (2017, "Testing for linearizability"): a set of
calls that were placed, together with the state they lead to, is tried once.

For example::

    history = [
        Call(0, 1, Write(b"a", ABSENT), 7),
        Call(2, 3, Read(), (b"a", 7)),
    ]
    assert find_order(history, Register()) is not None
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, assert_never, cast

from holdfast.storage.seam import ABSENT, ANY, Conflict

PENDING = object()
"""The answer of a call that never came back: it may have happened at any later time, or never."""


@dataclass(frozen=True, slots=True)
class Read:
    """Read a register; the answer is `(value, version)` or None."""


@dataclass(frozen=True, slots=True)
class Write:
    """Set a register; the answer is the version (True if it is not known) or a `Conflict`."""

    value: bytes
    expected: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Empty a register; the answer is None or a `Conflict`."""

    expected: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Give a register a new version; the answer is `(value, version)`."""


@dataclass(frozen=True, slots=True)
class Extend:
    """Add to a log; the answer is the last number (True if it is not known) or a `Conflict`."""

    entries: tuple[bytes, ...]
    expected: int = ANY


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Read a log; the answer is a tuple of the values behind `after`."""

    after: int = 0
    limit: int | None = None


Action = Read | Write | Remove | Lease | Extend | ReadLog


@dataclass(frozen=True, slots=True)
class Call:
    """What was called between the moments `start` and `end`, and what it answered.

    Moments are numbers of any clock or counter that all callers share. A pending call has ended
    by no moment, so its `end` is not looked at.
    """

    start: int
    end: int
    action: Action
    answer: object

    @property
    def pending(self) -> bool:
        """Whether nobody knows if it happened."""
        return self.answer is PENDING


S = TypeVar("S")


class Model(Protocol[S]):
    """What one key does, one call at a time. States must be hashable."""

    def begin(self) -> S:
        """Return the state before the first call."""
        ...

    def step(self, state: S, action: Action, answer: object) -> Iterable[S]:
        """Return the states to which the call leads; none if it cannot answer so in `state`."""
        ...


@dataclass(frozen=True, slots=True)
class Cell:
    """A register: what it holds, and the least that its greatest version ever can have been.

    `version` is 0 for an empty one and None while nobody has seen it.
    """

    value: bytes | None = None
    version: int | None = ABSENT
    least: int = 0


class Register:
    """A record: create once, compare and set, versions that only grow."""

    def begin(self) -> Cell:
        return Cell()

    def step(self, state: Cell, action: Action, answer: object) -> Iterable[Cell]:
        match action:
            case Read():
                return _read(state, answer)
            case Lease():
                return _lease(state, answer)
            case Write(value=value, expected=expected):
                if isinstance(answer, Conflict):
                    return _refuse(state, expected, answer)
                return [
                    cell for each in _match(state, expected) for cell in _set(each, value, answer)
                ]
            case Remove(expected=expected):
                if isinstance(answer, Conflict):
                    return _refuse(state, expected, answer)
                return [Cell(None, ABSENT, each.least) for each in _match(state, expected)]
            case Extend() | ReadLog():
                return []
            case _:
                assert_never(action)


def _reveal(state: Cell, version: int) -> list[Cell]:
    """Return the state if it may have this version, which is known from then on."""
    if state.version is not None:
        return [state] if state.version == version else []
    return [Cell(state.value, version, version)] if version >= state.least else []


def _read(state: Cell, answer: object) -> list[Cell]:
    if answer is None:
        return [state] if state.value is None else []
    value, version = cast("tuple[bytes, int]", answer)
    return _reveal(state, version) if value == state.value else []


def _refuse(state: Cell, expected: int, conflict: Conflict) -> list[Cell]:
    return [] if expected in (ANY, conflict.current) else _reveal(state, conflict.current)


def _match(state: Cell, expected: int) -> list[Cell]:
    """Return the state in which a write with this expectation succeeds."""
    return [state] if expected == ANY else _reveal(state, expected)


def _set(state: Cell, value: bytes, answer: object) -> list[Cell]:
    if answer is True or answer is PENDING:
        return [Cell(value, None, state.least + 1)]
    version = cast("int", answer)
    return [Cell(value, version, version)] if version > state.least else []


def _lease(state: Cell, answer: object) -> list[Cell]:
    if state.value is None:
        return []
    if answer is PENDING:
        return _set(state, state.value, PENDING)
    value, version = cast("tuple[bytes, int]", answer)
    return _set(state, value, version) if value == state.value else []


class Log:
    """A log: numbers without gaps, entries that stay. Its state are the entries."""

    def begin(self) -> tuple[bytes, ...]:
        return ()

    def step(
        self, state: tuple[bytes, ...], action: Action, answer: object
    ) -> Iterator[tuple[bytes, ...]]:
        match action:
            case Extend(entries=entries, expected=expected):
                if isinstance(answer, Conflict):
                    refused = answer.current == len(state) and expected not in (ANY, len(state))
                    yield from [state] if refused else []
                elif expected in (ANY, len(state)):
                    last = len(state) + len(entries)
                    # `True` equals the number 1.
                    fits = answer is True or answer is PENDING or answer == last
                    yield from [state + entries] if fits else []
            case ReadLog(after=after, limit=limit):
                end = None if limit is None else after + limit
                yield from [state] if answer == state[after:end] else []
            case Read() | Write() | Remove() | Lease():
                return
            case _:
                assert_never(action)


def find_order(history: Sequence[Call], model: Model[S]) -> list[Call] | None:
    """Return the calls in an order in which they could have happened; None if there is none.

    All calls are of one key. Pending ones may be missing from the order.
    """
    return _Search(history, model).run()


class _Search(Generic[S]):
    """A walk over the orders, depth first."""

    def __init__(self, history: Sequence[Call], model: Model[S]) -> None:
        # A read that never came back says nothing and changes nothing.
        telling = [each for each in history if not (each.pending and _is_read(each.action))]
        self._calls = sorted(telling, key=lambda call: call.start)
        self._model = model
        self._needed = sum(1 << n for n, call in enumerate(self._calls) if not call.pending)
        self._tried: set[tuple[int, S]] = set()

    def run(self) -> list[Call] | None:
        order: list[int] = []
        ways = [self._next(0, self._model.begin())]
        placed = 0
        while placed & self._needed != self._needed:
            step = next(ways[-1], None)
            if step is not None:
                number, state = step
                placed |= 1 << number
                order.append(number)
                ways.append(self._next(placed, state))
            elif order:
                ways.pop()
                placed &= ~(1 << order.pop())
            else:
                return None
        return [self._calls[number] for number in order]

    def _next(self, placed: int, state: S) -> Iterator[tuple[int, S]]:
        """Yield each call that can come next, with the state behind it."""
        for number in self._minimal(placed):
            call = self._calls[number]
            for after in self._model.step(state, call.action, call.answer):
                known = (placed | 1 << number, after)
                if known not in self._tried:
                    self._tried.add(known)
                    yield number, after

    def _minimal(self, placed: int) -> Iterator[int]:
        """Yield the calls that began before any of those that are left had ended."""
        left = [n for n in range(len(self._calls)) if not placed >> n & 1]
        ends = [self._calls[n].end for n in left if not self._calls[n].pending]
        first_end = min(ends, default=None)
        for number in left:
            if first_end is None or self._calls[number].start < first_end:
                yield number


def _is_read(action: Action) -> bool:
    return isinstance(action, Read | ReadLog)
