"""What processes have journaled comes into the store once, also from those that were killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.ids import new_run_id
from holdfast.tracing.collecting import Collected, collect
from holdfast.tracing.digesting import digest_of
from holdfast.tracing.entries import Entry, Position
from holdfast.tracing.records.layout import HEADER, Header, pack_header, unpack_header
from holdfast.tracing.ring.reading import remains, rings
from holdfast.tracing.ring.ring import Ring
from holdfast.tracing.ring.segment import segment_path
from holdfast.tracing.store.seam import TraceStore
from holdfast.tracing.store.sqlite.store import SqliteTraceStore
from holdfast.tracing.tracer import Tracer

VICTIM = Path(__file__).with_name("victim.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rings"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    with SqliteTraceStore(str(tmp_path / "traces.db"), digester=digest_of) as opened:
        yield opened


@pytest.fixture
def ring(folder: Path) -> Ring:
    return Ring(folder, clock=SystemClock(), first_bytes=4096, full_bytes=4096)


@pytest.fixture
def tracer(ring: Ring) -> Tracer:
    return Tracer(clock=SystemClock(), sink=ring)


def names(store: TraceStore, trace_id: str) -> dict[str, str]:
    """Return the status of each span of a trace by its name."""
    return {span.name: span.status for span in store.spans(trace_id)}


def test_spans_of_a_living_process_come_in_as_they_are(
    folder: Path, store: TraceStore, tracer: Tracer
) -> None:
    trace = new_run_id()
    with tracer.span("outer", trace_id=trace):
        with tracer.span("inner"):
            pass
        assert collect(folder, store) == Collected(entries=3)
        assert names(store, trace) == {"outer": "open", "inner": "ok"}
        assert collect(folder, store) == Collected()
    assert collect(folder, store) == Collected(entries=1)
    assert names(store, trace) == {"outer": "ok", "inner": "ok"}


def test_segments_that_were_read_are_deleted(
    folder: Path, store: TraceStore, tracer: Tracer
) -> None:
    with tracer.span("outer", trace_id=new_run_id()):
        for _ in range(100):
            with tracer.span("inner"):
                pass
        (files,) = rings(folder)
        assert len(list(files.folder.glob("*.seg"))) > 3
        collect(folder, store)
        assert len(list(files.folder.glob("*.seg"))) == 1


def test_a_closed_ring_is_read_to_its_end_and_deleted(
    folder: Path, store: TraceStore, ring: Ring, tracer: Tracer
) -> None:
    trace = new_run_id()
    left = tracer.start("left", parent=None, trace_id=trace)
    tracer.start("later", parent=None).end()
    ring.close()
    assert collect(folder, store) == Collected(entries=3, lost=1)
    (span,) = store.spans(trace)
    assert (span.name, span.status) == ("left", "lost")
    assert 0 < span.duration_ns < SystemClock().now_ms() * 1_000_000 - left.start_ns + 2_000_000
    assert list(folder.iterdir()) == []


def test_losses_come_in_too(folder: Path, store: TraceStore, ring: Ring, tracer: Tracer) -> None:
    for _ in range(3):
        tracer.start("span", parent=None).end()
    (files,) = rings(folder)
    with segment_path(files.folder, 0).open("r+b") as file:
        file.seek(HEADER + 2)
        file.write(b"\0\0\0")
    ring.close()
    assert collect(folder, store).losses == 1
    assert store.state().lost == 1


def test_a_ring_that_cannot_be_read_stays_and_is_told(
    folder: Path, store: TraceStore, ring: Ring, tracer: Tracer
) -> None:
    tracer.start("span", parent=None).end()
    (files,) = rings(folder)
    path = segment_path(files.folder, 0)
    data = path.read_bytes()
    header = unpack_header(data)
    assert header is not None
    path.write_bytes(pack_header(Header(99, *header[1:])) + data[HEADER:])
    ring.close()
    (left,) = collect(folder, store).left
    assert "newer" in left
    assert path.exists()


class Interrupted(Exception):
    """Stands for the death of a collector."""


class DyingStore:
    """A store whose caller dies at one of its calls, before or after it."""

    def __init__(self, store: TraceStore, *, at: int, after: bool) -> None:
        self._store = store
        self._left = at
        self._after = after

    def position(self, ring: str) -> Position:
        return self._store.position(ring)

    def advance(self, ring: str, entries: Sequence[Entry], *, was: Position, now: Position) -> bool:
        self._die(after=False)
        done = self._store.advance(ring, entries, was=was, now=now)
        self._die(after=True)
        return done

    def bury(self, ring: str, *, at_ns: int) -> int:
        self._die(after=False)
        done = self._store.bury(ring, at_ns=at_ns)
        self._die(after=True)
        return done

    def _die(self, *, after: bool) -> None:
        if after == self._after:
            self._left -= 1
            if self._left < 0:
                raise Interrupted


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(4))
def test_a_collector_may_die_anywhere(
    folder: Path, store: TraceStore, ring: Ring, tracer: Tracer, *, at: int, after: bool
) -> None:
    trace = new_run_id()
    with tracer.span("outer", trace_id=trace):
        for number in range(50):
            with tracer.span(f"inner {number}"):
                pass
        collect(folder, store)
        tracer.start("left")
    (files,) = rings(folder)
    with segment_path(files.folder, max(map(int, _numbers(files.folder)))).open("r+b") as file:
        file.seek(64)
        file.write(b"\7")  # seven losses
    ring.close()
    for again in range(at, -1, -1):
        dying = DyingStore(store, at=again, after=after)
        try:
            collect(folder, dying)  # type: ignore[arg-type]
        except Interrupted:
            continue
    collect(folder, store)
    found = names(store, trace)
    assert len(found) == 52
    assert (found["left"], found["outer"]) == ("lost", "ok")
    assert store.state().lost == 7
    assert (list(rings(folder)), list(remains(folder))) == ([], [])
    assert list(folder.iterdir()) == []


def _numbers(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.seg")]


def test_one_collector_at_a_time_has_a_ring(
    folder: Path, store: TraceStore, ring: Ring, tracer: Tracer
) -> None:
    tracer.start("span", parent=None).end()
    ring.close()
    asked = threading.Event()

    class Watched(DyingStore):
        def position(self, ring: str) -> Position:
            asked.set()
            return super().position(ring)

    watched = Watched(store, at=99, after=True)
    (files,) = rings(folder)
    thread = threading.Thread(target=collect, args=(folder, watched))
    with files.held() as is_held:
        assert is_held
        thread.start()
        assert not asked.wait(0.2)
    assert asked.wait(30)
    thread.join()
    with files.held() as is_held:
        assert not is_held


def test_many_collect_at_once_and_each_entry_comes_in_once(
    folder: Path, tmp_path: Path, ring: Ring, tracer: Tracer
) -> None:
    trace, stop = new_run_id(), threading.Event()
    taken: list[Collected] = []

    def keep_collecting() -> None:
        with SqliteTraceStore(str(tmp_path / "traces.db"), digester=digest_of) as store:
            while not stop.is_set():
                taken.append(collect(folder, store))

    threads = [threading.Thread(target=keep_collecting) for _ in range(3)]
    for each in threads:
        each.start()
    with tracer.span("outer", trace_id=trace):
        for number in range(500):
            with tracer.span(f"inner {number}"):
                pass
    ring.close()
    stop.set()
    for each in threads:
        each.join()
    with SqliteTraceStore(str(tmp_path / "traces.db"), digester=digest_of) as store:
        taken.append(collect(folder, store))
        assert len(store.spans(trace)) == 501
    assert sum(each.entries for each in taken) == 2 * 501
    assert sum(each.losses + each.lost for each in taken) == 0


def kill_one(folder: Path, trace: str, seed: int) -> tuple[set[str], set[str]]:
    """Kill a process that makes spans; return the ids it has acknowledged: ended and begun."""
    process = subprocess.Popen(
        [sys.executable, str(VICTIM), str(folder), trace, str(seed)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    # It says how many lines it is going to write before it is killed.
    wanted = int(process.stdout.readline())
    lines = [process.stdout.readline() for _ in range(wanted)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    begun: set[str] = set()
    ended: set[str] = set()
    for line in lines:
        if line.endswith(b"\n"):
            what, span_id = json.loads(line)
            (ended if what == "ended" else begun).add(span_id)
    return ended, begun


def check_kills(folder: Path, store: TraceStore, kills: int, seed: int) -> None:
    for number in range(kills):
        trace = new_run_id()
        ended, begun = kill_one(folder, trace, seed + number)
        collect(folder, store)
        found = {span.span_id: span for span in store.spans(trace)}
        assert ended <= {key for key, span in found.items() if span.status == "ok"}
        assert begun <= found.keys()
        assert {span.status for span in found.values()} <= {"ok", "lost"}
        for span in found.values():
            assert span.parent_id is None or span.parent_id in found
    assert list(folder.iterdir()) == []


def test_a_killed_process_loses_no_span_and_its_open_ones_are_named(
    folder: Path, store: TraceStore
) -> None:
    check_kills(folder, store, kills=6, seed=0)


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_hundred_kills_lose_nothing(folder: Path, store: TraceStore) -> None:
    check_kills(folder, store, kills=100, seed=1000)


def test_what_is_left_of_a_process_that_died_before_it_had_a_ring_is_deleted(
    folder: Path, store: TraceStore
) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead, own = folder / f".{process.pid}-abc", folder / f".{os.getpid()}-abc"
    for each in (dead, own):
        each.mkdir(parents=True)
    collect(folder, store)
    assert [path.name for path in folder.iterdir()] == [own.name]
