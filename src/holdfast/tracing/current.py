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
import gc
import os
import sys
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from functools import lru_cache
from opcode import opmap
from threading import get_ident
from types import CodeType, FrameType, TracebackType
from typing import Final, Self, TypeAlias, TypeVar

from holdfast.frozen import NamedTuple

frame_of = sys._getframe  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
GONE: Final = frame_of(0)
"""The region of places that were left; any frame does."""

PlaceType = TypeVar("PlaceType", bound="Place")


class Link(NamedTuple):
    """A span as others refer to it; without a span, the top of a trace."""

    trace_id: str
    span_id: str | None


class Place:
    """Where a new span may hang. Inside a process that is a span, else the link to a remote one.

    `odd` says that it is not to be used without a closer look: a generator has to do with it, or it
    was not left in the order in which it was entered. `ended` says nothing about that: work that
    outlives the block in which it was handed on still hangs below it.
    """

    __slots__ = ("anchor_ns", "ended", "odd", "outer", "region", "span_id", "trace_id")

    trace_id: str
    span_id: str | None
    anchor_ns: int
    ended: bool
    odd: bool
    outer: Place | None
    region: FrameType | None

    @property
    def span(self) -> Place:
        """What is meant: of a place that only stands for another, that one."""
        return self

    def disown(self) -> None:
        """Belong to another process from now on: hold children still, but record nothing."""


NOWHERE: Final = Place()
"""What a place is in before it is entered."""


def place_of(trace_id: str, span_id: str | None, cls: type[PlaceType] = Place) -> PlaceType:
    """Return a place that was not entered yet; a constructor would make every span dearer."""
    place = cls()
    place.trace_id = trace_id
    place.span_id = span_id
    place.anchor_ns = 0
    place.ended = place.odd = False
    place.outer = NOWHERE
    place.region = None
    return place


class Within:
    """Make something current in a `with` block, without ending it there."""

    __slots__ = ("_place",)

    def __init__(self, span: Place) -> None:
        self._place = _standing(span)

    def __enter__(self) -> Self:
        if self._place.behind is not NOWHERE:
            enter(self._place, frame_of(1))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leave(self._place)


class _Standing(Place):
    """A place that stands for another one while somebody uses that."""

    __slots__ = ("behind",)

    behind: Place

    @property
    def span(self) -> Place:
        return self.behind


def _standing(span: Place) -> _Standing:
    place = place_of(span.trace_id, span.span_id, _Standing)
    place.anchor_ns = span.anchor_ns
    place.behind = span
    return place


NOWHERE.trace_id, NOWHERE.span_id, NOWHERE.anchor_ns = "", None, 0
NOWHERE.ended = NOWHERE.odd = True
NOWHERE.outer, NOWHERE.region = None, GONE

CURRENT: ContextVar[Place | None] = ContextVar("holdfast_span", default=None)

Elsewhere: TypeAlias = "Callable[[Place | None], Place | Link | None]"
"""Asked for a better place than the one that was found; what it returns is taken."""

_root: Place | None = None
_GENERATOR, _ASYNC_GENERATOR, _ITERABLE_COROUTINE = 0x20, 0x200, 0x100  # as in `inspect`
GENERATORS = _GENERATOR | _ASYNC_GENERATOR
HELPERS = contextlib.__dict__
STACK = contextlib.ExitStack.enter_context.__code__
"""What enters a block for somebody else, and is no generator."""
_RESUME = opmap["RESUME"]
_AFTER_AWAIT = 3


class Collection:
    """The thread in which garbage is collected now, 0 if it is not.

    Until Python 3.12 that may happen inside of `ContextVar.set`, and a finalizer that sets the same
    variable then leaves it with freed memory. So a span that a finalizer opens is not made current,
    and one that it closes, such as that of an abandoned generator, is only marked.
    """

    __slots__ = ("thread",)

    def __init__(self) -> None:
        self.thread = 0

    def note(self, phase: str, info: object) -> None:  # noqa: ARG002 - what `gc` calls
        """Take note that a collection starts or stops."""
        self.thread = get_ident() if phase == "start" else 0


COLLECTION: Final = Collection()
if sys.version_info < (3, 12):
    gc.callbacks.append(COLLECTION.note)


def enter(place: Place, frame: FrameType) -> None:
    """Make a place the innermost one; `frame` is that of the block that it is for.

    Nothing happens inside its own block.
    """
    if place.outer is not NOWHERE or COLLECTION.thread == get_ident():
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
    if COLLECTION.thread == get_ident():
        top = None
    elif top is place or _are_left(top, place):
        CURRENT.set(_pruned(place.outer))
    if top is place and place.region is None:
        place.outer = None  # whoever has a copy needs no more, and chains do not grow
    else:
        place.region, place.odd = GONE, True


def resolve(top: Place | None, frame: FrameType | None) -> Place | None:
    """Return the place that is current for code that runs in `frame`; see the module."""
    awake: list[Place] = []
    place = top
    while place is not None:
        if place.region is not GONE and not _sleeps(place.region):
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


def _are_left(top: Place | None, below: Place) -> bool:
    """Tell whether all places above `below` were opened in its block and never closed."""
    while top is not None and top is not below:
        if top.region is not GONE and top.region is not below.region:
            return False
        top = top.outer
    return top is below


def _pruned(place: Place | None) -> Place | None:
    """Return the first place that has not gone, so that chains do not grow."""
    while place is not None and place.region is GONE:
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


def adopt(link: Link | None) -> None:
    """Hang below this what nothing in this process is around: the span that started it."""
    global _root  # noqa: PLW0603 - a process has one parent
    _root = place_of(*link) if link else None


def root() -> Place | None:
    """Return the span that started this process."""
    return _root


def snapshot() -> Context:
    """Return a copy of the context for work that goes on elsewhere, where frames tell nothing.

    What is current here is current there, whatever generator sleeps meanwhile.
    """
    context, top = copy_context(), CURRENT.get()
    if top is not None and top.odd:
        context.run(CURRENT.set, here(frame_of(1)))
    return context


def here(frame: FrameType) -> Place | None:
    """Return what is current in `frame`, for use where frames tell nothing."""
    found = CURRENT.get()
    if found is not None and found.odd:
        found = resolve(found, frame)
        if found is not None:
            found = _standing(found.span)
            found.outer = None
    return found


def _disown() -> None:
    place = CURRENT.get()
    while place is not None:
        place.span.disown()
        place = place.outer


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
