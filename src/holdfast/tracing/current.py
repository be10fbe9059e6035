"""Know which span is current: the one that a new span is to hang below.

One context variable holds the innermost *place*; a place never changes where it hangs and links to
the one outside it. Nothing is ever reset by a token, so a stream may be closed by another task.

A generator complicates it: while it is suspended, its spans are in the variable of whoever consumes
it, and are not his. So a place that was taken in the frame of a generator remembers that frame, its
*region*. Places whose region sleeps at a `yield` are passed over, and if places of several regions
are awake, the one whose frame is innermost on the stack is right: that is the generator that a
consumer resumed inside a span of his own. Frames of contextlib stand for those who called them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from opcode import opmap
from types import CodeType, FrameType, TracebackType
from typing import Final, Self, TypeAlias

from holdfast.frozen import NamedTuple


class Link(NamedTuple):
    """A span as others refer to it; without a span, the top of a trace."""

    trace_id: str
    span_id: str | None


class Place:
    """Where a new span may hang. Inside a process that is a span, else the link to a remote one.

    `odd` says that it is not to be used without a closer look: it has ended, or a generator has to
    do with it.
    """

    __slots__ = ("anchor_ns", "ended", "odd", "outer", "region", "span_id", "trace_id")

    def __init__(self, trace_id: str, span_id: str | None) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.anchor_ns = 0
        self.ended = self.odd = False
        self.outer: Place | None = NOWHERE
        self.region: FrameType | None = None

    @property
    def span(self) -> Place:
        """What is meant: of a place that only stands for another, that one."""
        return self

    def disown(self) -> None:
        """Belong to another process from now on: hold children still, but record nothing."""


NOWHERE: Final = Place.__new__(Place)
"""What a place is in before it is entered."""
NOWHERE.__init__("", None)
NOWHERE.ended, NOWHERE.outer = True, None


class Within:
    """Make something current in a `with` block, without ending it there."""

    __slots__ = ("_place",)

    def __init__(self, place: Place) -> None:
        self._place = _Standing(place)

    def __enter__(self) -> Self:
        enter(self._place, frame_of(1))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._place.ended = True
        leave(self._place)


class _Standing(Place):
    """A place that stands for another one while somebody uses that."""

    __slots__ = ("_span",)

    def __init__(self, span: Place) -> None:
        super().__init__(span.trace_id, span.span_id)
        self.anchor_ns = span.anchor_ns
        self._span = span
        self.odd = True  # the other may end meanwhile

    @property
    def span(self) -> Place:
        return self._span


CURRENT: ContextVar[Place | None] = ContextVar("holdfast_span", default=None)

Elsewhere: TypeAlias = "Callable[[Place | None], Place | Link | None]"
"""Asked for a better place than the one that was found; what it returns is taken."""

_GENERATOR, _ASYNC_GENERATOR, _ITERABLE_COROUTINE = 0x20, 0x200, 0x100  # as in `inspect`
GENERATORS = _GENERATOR | _ASYNC_GENERATOR
HELPERS = contextlib.__dict__
frame_of = sys._getframe  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
_RESUME = opmap["RESUME"]
_AFTER_AWAIT = 3


def enter(place: Place, frame: FrameType) -> None:
    """Make a place the innermost one; `frame` is that of the block that it is for.

    Nothing happens inside its own block.
    """
    if place.outer is not NOWHERE:
        return
    outer = CURRENT.get()
    if outer is not None and outer.odd:
        found = resolve(outer, frame)
        place.region = found.region if found else None
        outer = _pruned(outer)
    if frame.f_code.co_flags & GENERATORS or frame.f_globals is HELPERS:
        owner = owner_of(frame)
        if _is_generator(owner.f_code):
            place.region = owner
    place.odd = place.odd or place.region is not None or (outer is not None and outer.odd)
    place.outer = outer
    CURRENT.set(place)


def leave(place: Place) -> None:
    """Take a place away, whoever has come in meanwhile."""
    top = CURRENT.get()
    if top is place or (top is not None and _are_left(top, place)):
        CURRENT.set(_pruned(place.outer))
    place.region = None


def resolve(top: Place | None, frame: FrameType | None) -> Place | None:
    """Return the place that is current for code that runs in `frame`; see the module."""
    awake: list[Place] = []
    place = top
    while place is not None:
        if not (place.ended or place.span.ended or _sleeps(place.region)):
            awake.append(place)
        place = place.outer
    if not awake:
        return None
    regions = {each.region for each in awake}
    if len(regions) > 1:
        while frame is not None:
            if frame in regions:
                return next(each for each in awake if each.region is frame)
            frame = frame.f_back
    return awake[0]


def owner_of(frame: FrameType) -> FrameType:
    """Return the frame that a block belongs to: not the helper of contextlib that it is in."""
    while True:
        back = frame.f_back
        if (frame.f_globals is HELPERS and back is not None) or (
            back is not None and back.f_globals is HELPERS and _is_generator(frame.f_code)
        ):
            frame = back
        else:
            return frame


def _is_generator(code: CodeType) -> bool:
    return bool(code.co_flags & GENERATORS) and not code.co_flags & _ITERABLE_COROUTINE


def _are_left(top: Place, below: Place) -> bool:
    """Tell whether all places above `below` were opened in its block and never closed."""
    place: Place | None = top
    while place is not None and place is not below:
        if not place.ended and place.region is not below.region:
            return False
        place = place.outer
    return place is below


def _pruned(place: Place | None) -> Place | None:
    """Return the first place that has not ended, so that chains do not grow."""
    while place is not None and place.ended:
        place = place.outer
    return place


def _sleeps(region: FrameType | None) -> bool:
    """Tell whether a generator is suspended at a `yield`: not at an `await`."""
    if region is None or region.f_back is not None:
        return False
    return not _awaits(region.f_code, region.f_lasti)


@lru_cache(maxsize=4096)
def _awaits(code: CodeType, at: int) -> bool:
    if not code.co_flags & _ASYNC_GENERATOR:
        return False
    following = code.co_code[at + 2 : at + 4]
    return following[:1] == bytes([_RESUME]) and following[1] & 3 == _AFTER_AWAIT


def _disown() -> None:
    place = CURRENT.get()
    while place is not None:
        place.span.disown()
        place = place.outer


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
