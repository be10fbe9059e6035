"""A ring and the children of its process: each writes its own."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.tracing.entries import Entry, Position
from holdfast.tracing.ring.reading import RingFiles, rings
from holdfast.tracing.ring.ring import Ring
from holdfast.tracing.span import Span
from holdfast.tracing.tracer import Tracer
from tests.tracing.ring.making import TRACE, losses, make, read, small, spans


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rings"


def test_a_child_that_is_forked_off_writes_a_ring_of_its_own(folder: Path) -> None:
    tracer = Tracer(clock=SystemClock(), sink=Ring.open(folder, clock=SystemClock()))
    with tracer.span("outer", trace_id=TRACE) as outer:
        make(tracer, "before")
        child = os.fork()
        if not child:
            try:
                with tracer.span("of child"):
                    pass
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        make(tracer, "after")
    by_ring = [spans(read_one(each)) for each in rings(folder)]
    assert by_ring == [["before", "after", "outer"], ["of child"]]
    entries = read(folder)
    found = {each.name: each for each in entries if isinstance(each, Span)}
    assert found["of child"].parent_id == outer.span_id
    ids = [each.span_id for each in entries if isinstance(each, Span)]
    assert len(set(ids)) == len(ids)
    assert [each.alive for each in rings(folder)] == [True, False]


def test_a_child_does_not_end_the_spans_of_its_parent(folder: Path) -> None:
    tracer = Tracer(clock=SystemClock(), sink=Ring.open(folder, clock=SystemClock()))
    child = 0
    with tracer.span("outer", trace_id=TRACE):
        child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert spans(read(folder)) == ["outer"]


def test_a_process_may_fork_while_its_threads_write(folder: Path) -> None:
    tracer = Tracer(clock=SystemClock(), sink=small(folder))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            make(tracer, "of parent")

    threads = [threading.Thread(target=write) for _ in range(3)]
    for each in threads:
        each.start()
    children: list[int] = []
    try:
        for _ in range(10):
            child = os.fork()
            if not child:
                try:
                    make(tracer, *["of child"] * 100)
                finally:
                    os._exit(0)
            children.append(child)
        codes = [os.waitpid(child, 0)[1] for child in children]
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert codes == [0] * 10
    found = read(folder)
    assert spans(found).count("of child") == 1000
    assert losses(found) == 0
    ids = [each.span_id for each in found if isinstance(each, Span)]
    assert len(set(ids)) == len(ids)


def read_one(ring: RingFiles) -> list[Entry]:
    return list(ring.read(Position()).entries)
