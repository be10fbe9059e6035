"""Take the current span along into threads, executors and other processes.

Python does so for tasks and `asyncio.to_thread` only. `carry` changes the standard library in this
process, which is why somebody has to ask for it; what it changes behaves as before.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import wraps
from multiprocessing.process import BaseProcess
from typing import Any, Final

from holdfast.frozen import NamedTuple
from holdfast.tracing.current import (
    CURRENT,
    Link,
    Place,
    adopt,
    frame_of,
    here,
    place_of,
    snapshot,
)
from holdfast.tracing.propagation import (
    Carried,
    PassingOn,
    at,
    extract,
    headers_of,
    tell,
    told,
)
from holdfast.tracing.traceparent import VARIABLE

Undo = Callable[[], None]
_Original = Callable[..., Any]
_PROCESS: Final = "_holdfast_trace"
_STATE, _BAGGAGE = "TRACESTATE", "BAGGAGE"
_VARIABLES: Final = (VARIABLE, _STATE, _BAGGAGE)
_ENV_AT: Final = 10
"""Which argument of `Popen` is the environment."""


def carry() -> Undo:
    """Let work that is handed over hang below the span that was current when it was.

    Covers `submit` of executors of threads and of processes, and with it `run_in_executor`;
    `threading.Thread`; tasks and `to_thread` begun by who consumes a generator; `subprocess.Popen`,
    whose child finds `TRACEPARENT` in its environment unless it is given another one; and
    `multiprocessing.Process`. `TRACESTATE` and `BAGGAGE` go along. Returns what undoes it.
    """
    undoing = [
        _patch(ThreadPoolExecutor, "submit", _carry_submit),
        _patch(ProcessPoolExecutor, "submit", _carry_submit_to_process),
        _patch(threading.Thread, "start", _carry_start),
        _patch(asyncio.BaseEventLoop, "create_task", _carry_task),
        _patch(contextvars, "copy_context", _carry_context),
        _patch(subprocess.Popen, "__init__", _carry_popen),
        _patch(BaseProcess, "start", _carry_process),
    ]

    def undo() -> None:
        while undoing:
            undoing.pop()()

    return undo


def adopt_from(environment: Mapping[str, str]) -> Link | None:
    """Hang this process below the span that its `TRACEPARENT` names; return that.

    Its `TRACESTATE` and `BAGGAGE` are passed on to who is asked from here.
    """
    return _adopt({name.lower(): environment.get(name, "") for name in _VARIABLES})


def _adopt(lines: Mapping[str, str]) -> Link | None:
    carried = extract(lines)
    tell(carried)
    if carried.link is not None:
        adopt(carried.link)
    return carried.link


def _patch(owner: Any, name: str, make: Callable[[_Original], _Original]) -> Undo:
    original = getattr(owner, name)
    setattr(owner, name, wraps(original)(make(original)))

    def undo() -> None:
        setattr(owner, name, original)

    return undo


class _Call:
    """Does a piece of work somewhere else, with a place as the current one."""

    def __init__(self, place: Place | None, work: _Original) -> None:
        self._place = place
        self._work = work
        self._told = told()

    def __call__(self, *args: Any, **named: Any) -> Any:
        before = CURRENT.get()
        CURRENT.set(self._place)
        try:
            with PassingOn(self._told):
                return self._work(*args, **named)
        finally:
            CURRENT.set(before)


class _DistantCall(NamedTuple):
    """Does so in another process."""

    lines: Mapping[str, str]
    work: _Original

    def __call__(self, *args: Any, **named: Any) -> Any:
        carried = extract(self.lines)
        place = place_of(*carried.link) if carried.link else None
        with PassingOn(carried):
            return _Call(place, self.work)(*args, **named)


class _Parent(NamedTuple):
    """Travels with a process that is started, and names its parent when it arrives there."""

    lines: Mapping[str, str]

    def __reduce__(self) -> tuple[_Original, tuple[Mapping[str, str]]]:
        return _adopt, (self.lines,)


def _lines() -> Mapping[str, str]:
    """Return what a child is told about where it was started, nothing outside of any trace."""
    place = here(frame_of(1))
    carried = Carried() if place is None else at(place)
    return headers_of(carried) if carried.link else {}


def _carry_submit(original: _Original) -> _Original:
    def submit(self: object, work: _Original, /, *args: Any, **named: Any) -> Any:
        # A thread that is started for this work does other work later: it carries nothing itself.
        return _Call(None, original)(self, _Call(here(frame_of(1)), work), *args, **named)

    return submit


def _carry_submit_to_process(original: _Original) -> _Original:
    def submit(self: object, work: _Original, /, *args: Any, **named: Any) -> Any:
        lines = _lines()
        return original(self, _DistantCall(lines, work) if lines else work, *args, **named)

    return submit


def _carry_start(original: _Original) -> _Original:
    def start(self: threading.Thread) -> None:
        place = here(frame_of(1))
        if place is not None:
            self.run = _Call(place, self.run)
        original(self)

    return start


def _carry_task(original: _Original) -> _Original:
    def create_task(self: object, work: Any, **named: Any) -> Any:
        top = CURRENT.get()
        if top is not None and top.odd and named.get("context") is None:
            named["context"] = snapshot()
        return original(self, work, **named)

    return create_task


def _carry_context(original: _Original) -> _Original:  # noqa: ARG001 - `snapshot` calls it
    def copy_context() -> contextvars.Context:
        return snapshot()

    return copy_context


def _carry_popen(original: _Original) -> _Original:
    def begin(self: object, *args: Any, **named: Any) -> None:
        if lines := _lines():
            if len(args) > _ENV_AT:
                args = (*args[:_ENV_AT], _environment(args[_ENV_AT], lines), *args[_ENV_AT + 1 :])
            else:
                named["env"] = _environment(named.get("env"), lines)
        original(self, *args, **named)

    return begin


def _environment(given: Mapping[Any, Any] | None, lines: Mapping[str, str]) -> Mapping[Any, Any]:
    """Return what a child gets; a parent that somebody else named for it stays.

    The state of another trace goes; baggage that somebody put there stays.
    """
    own = os.environ  # noqa: TID251 - no setting: what a child inherits
    inherited = own if given is None else given
    named = inherited.get(VARIABLE)
    if named is not None and named != own.get(VARIABLE):
        return inherited
    told_anew = {name.upper(): line for name, line in lines.items()}
    if inherited.get(_BAGGAGE) != own.get(_BAGGAGE):
        told_anew.pop(_BAGGAGE, None)
    return {**{name: each for name, each in inherited.items() if name != _STATE}, **told_anew}


def _carry_process(original: _Original) -> _Original:
    def start(self: BaseProcess) -> None:
        lines = _lines()
        if lines:
            setattr(self, _PROCESS, _Parent(lines))
        try:
            original(self)
        finally:
            self.__dict__.pop(_PROCESS, None)

    return start
