"""What is written into a ring is there for others at once, whatever happens to its writer."""

from __future__ import annotations

import gc
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.testing.clock import ManualClock
from holdfast.tracing.entries import Opened, Part
from holdfast.tracing.ring.reading import rings
from holdfast.tracing.ring.ring import RETRY_NS, Ring
from holdfast.tracing.ring.segment import allocate
from holdfast.tracing.span import Span
from holdfast.tracing.tracer import Tracer
from tests.tracing.ring.making import TRACE, losses, make, read, small, spans


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rings"


def test_what_is_written_is_seen_at_once_and_in_order(folder: Path) -> None:
    ring = Ring.open(folder, clock=SystemClock())
    tracer = Tracer(clock=SystemClock(), sink=ring)
    with tracer.span("outer", trace_id=TRACE) as outer:
        make(tracer, "a")
        ring.part(b"h" * 16, b"data\n[\0")
        opened, inner, ended, part = read(folder)
        assert isinstance(opened, Opened)
        assert (opened.span_id, opened.name, opened.start_ns) == (
            outer.span_id, "outer", outer.start_ns,
        )  # fmt: skip
        assert isinstance(inner, Opened)
        assert isinstance(ended, Span)
        assert part == Part(hash=b"h" * 16, data=b"data\n[\0")
        assert [each.alive for each in rings(folder)] == [True]
    ring.close()
    assert spans(read(folder)) == ["a", "outer"]
    assert [each.alive for each in rings(folder)] == [False]


def test_a_full_segment_spills_into_the_next_and_nothing_is_lost(folder: Path) -> None:
    tracer = Tracer(clock=SystemClock(), sink=small(folder))
    names = [f"span {number}" for number in range(300)]
    make(tracer, *names)
    (ring,) = rings(folder)
    assert len(list(ring.folder.glob("*.seg"))) > 10
    assert spans(read(folder)) == names


def test_a_record_larger_than_a_segment_gets_one_of_its_own(folder: Path) -> None:
    tracer = Tracer(clock=SystemClock(), sink=small(folder))
    text = "x" * 100_000
    with tracer.span("large", trace_id=TRACE, text=text):
        pass
    make(tracer, "after")
    entries = read(folder)
    assert spans(entries) == ["large", "after"]
    assert next(each for each in entries if isinstance(each, Span)).attributes == {"text": text}


def test_many_threads_write_at_once(folder: Path) -> None:
    tracer = Tracer(clock=SystemClock(), sink=small(folder))
    names = [[f"{thread} {number}" for number in range(400)] for thread in range(8)]
    threads = [threading.Thread(target=make, args=(tracer, *each)) for each in names]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(interval)
    found = read(folder)
    assert sorted(spans(found)) == sorted(name for each in names for name in each)
    assert losses(found) == 0


def test_a_new_segment_may_be_full_before_its_maker_comes_back(folder: Path) -> None:
    """A thread makes a segment, and others fill it before it is its turn again."""
    tracer = Tracer(clock=SystemClock(), sink=(ring := small(folder)))
    names = [f"span {number}" for number in range(20)]

    make(tracer, *names)
    extend = ring._extend

    def extend_and_be_late(record: bytes) -> bool:
        done = extend(record)
        others = threading.Thread(target=make, args=(tracer, *["other"] * 60))
        ring._extend = extend  # type: ignore[method-assign]
        ring._lock.release()
        others.start()
        others.join()
        ring._lock.acquire()
        return done

    ring._extend = extend_and_be_late  # type: ignore[method-assign]
    make(tracer, *["late"] * 20)
    found = read(folder)
    assert spans(found).count("late") == 20
    assert losses(found) == 0


def test_only_the_owner_may_look_into_it(folder: Path) -> None:
    make(Tracer(clock=SystemClock(), sink=Ring.open(folder, clock=SystemClock())), "a")
    (ring,) = rings(folder)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in ring.folder.iterdir()}
    assert modes == {0o600}
    assert {stat.S_IMODE(each.stat().st_mode) for each in (folder, ring.folder)} == {0o700}


def test_nothing_is_made_before_there_is_something_to_write(folder: Path) -> None:
    Ring.open(folder, clock=SystemClock()).close()
    assert not folder.exists()


def test_a_full_disk_costs_spans_and_says_how_many(folder: Path) -> None:
    clock = ManualClock()
    room = [True]

    def allocate_if_there_is_room(descriptor: int, size: int) -> None:
        if not room[0]:
            raise OSError(28, "No space left on device")
        allocate(descriptor, size)

    ring = small(folder, clock, allocate=allocate_if_there_is_room)
    tracer = Tracer(clock=clock, sink=ring)
    make(tracer, "first")
    room[0] = False
    make(tracer, *["more"] * 50)
    kept = spans(read(folder)).count("more")
    lost = ring.lost
    assert 0 < kept < 50
    assert lost == 50 - kept
    assert "No space left" in ring.why
    room[0] = True
    make(tracer, "too soon")
    assert ring.lost == lost + 1
    clock.advance(RETRY_NS / 1e9)
    make(tracer, "later")
    found = read(folder)
    assert spans(found)[-1] == "later"
    assert losses(found) == lost + 1
    assert ring.lost == 0


def test_losses_are_known_though_the_process_dies_before_there_is_room(folder: Path) -> None:
    room = [True]

    def allocate_once(descriptor: int, size: int) -> None:
        if not room:
            raise OSError(28, "No space left on device")
        room.clear()
        allocate(descriptor, size)

    ring = small(folder, allocate=allocate_once)
    make(Tracer(clock=SystemClock(), sink=ring), *["span"] * 50)
    lost = ring.lost
    ring.close()
    assert lost > 0
    assert losses(read(folder)) == lost


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_really_is_full(tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mounted)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        ring = small(mounted / "rings")
        make(Tracer(clock=SystemClock(), sink=ring), *["span"] * 2000)
        lost = ring.lost
        ring.close()
        found = read(mounted / "rings")
        ended = len(spans(found))
        assert lost > 0
        assert ended > 100
        assert losses(found) == lost
        gc.collect()  # unmaps
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


@pytest.mark.parametrize("what", ["file", "missing parent is a file"])
def test_a_folder_that_cannot_be_made_costs_spans_only(tmp_path: Path, what: str) -> None:
    blocked = tmp_path / "rings"
    blocked.write_text("in the way")
    ring = Ring.open(blocked if what == "file" else blocked / "rings", clock=SystemClock())
    make(Tracer(clock=SystemClock(), sink=ring), "a", "b")
    assert ring.lost == 2
    assert "rings" in ring.why
    ring.close()


def test_a_folder_that_is_removed_meanwhile_is_noticed(folder: Path) -> None:
    ring = small(folder)
    tracer = Tracer(clock=SystemClock(), sink=ring)
    make(tracer, "gone")
    (files,) = rings(folder)
    files.discard()
    make(tracer, *["span"] * 40)
    found = read(folder)
    kept = len(spans(found))
    assert 0 < kept < 41
    assert losses(found) == 41 - kept
    assert ring.id != files.id


def test_a_finalizer_or_a_signal_handler_may_end_a_span_at_any_time(folder: Path) -> None:
    tracer = Tracer(clock=SystemClock(), sink=small(folder))
    ended = [0]

    class Cyclic:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            make(tracer, "finalizer")
            ended[0] += 1

    def handle(number: int, frame: object) -> None:
        make(tracer, "handler")

    before = signal.signal(signal.SIGALRM, handle)
    threshold = gc.get_threshold()
    gc.set_threshold(20)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        for _ in range(3000):
            Cyclic()
            make(tracer, "plain")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        gc.set_threshold(*threshold)
        gc.collect()
        signal.signal(signal.SIGALRM, before)
    found = spans(read(folder))
    assert found.count("plain") == 3000
    assert found.count("finalizer") == ended[0] > 100
    assert found.count("handler") > 0
    assert losses(read(folder)) == 0


def test_an_interrupt_in_the_middle_of_a_spill_loses_nothing(folder: Path) -> None:
    interrupt = [False]

    def interrupted(descriptor: int, size: int) -> None:
        if interrupt.pop():
            interrupt.append(False)
            raise KeyboardInterrupt
        interrupt.append(False)
        allocate(descriptor, size)

    tracer = Tracer(clock=SystemClock(), sink=small(folder, allocate=interrupted))
    make(tracer, *["span"] * 3)
    interrupt[0] = True
    made = [3]

    def make_many() -> None:
        for _ in range(100):
            made[0] += 1
            make(tracer, "span")

    with pytest.raises(KeyboardInterrupt):
        make_many()
    assert tracer.current() is None
    make(tracer, "span")
    opened = [each for each in read(folder) if isinstance(each, Opened)]
    assert len(opened) == made[0] + 1
    assert losses(read(folder)) == 0


def test_a_late_span_begins_another_ring(folder: Path) -> None:
    ring = Ring.open(folder, clock=SystemClock())
    tracer = Tracer(clock=SystemClock(), sink=ring)
    make(tracer, "a")
    ring.close()
    make(tracer, "b")
    ring.close()
    assert sorted(spans(read(folder))) == ["a", "b"]
    assert len(rings(folder)) == 2


def test_what_was_written_is_synced_now_and_then(folder: Path, monkeypatch) -> None:
    synced = threading.Event()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.set()

    monkeypatch.setattr(os, "fsync", fsync)
    ring = Ring.open(folder, clock=SystemClock(), sync_seconds=0.01)
    make(Tracer(clock=SystemClock(), sink=ring), "a")
    assert synced.wait(30)
    ring.close()
    synced.clear()
    make(Tracer(clock=SystemClock(), sink=Ring.open(folder, clock=SystemClock())), "b")
    assert not synced.is_set()
