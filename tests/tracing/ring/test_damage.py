"""A damaged ring gives all that is whole, and says that something was not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import SystemClock
from holdfast.errors import StorageTooNew
from holdfast.tracing.entries import Entry, Opened, Position
from holdfast.tracing.records.layout import HEADER, Header, pack_header, unpack_header
from holdfast.tracing.records.scanning import records_in
from holdfast.tracing.ring.reading import RingFiles, rings
from holdfast.tracing.ring.ring import Ring
from holdfast.tracing.ring.segment import segment_path
from holdfast.tracing.span import Span
from holdfast.tracing.tracer import Tracer

TRACE = "a" * 32


def written(folder: Path) -> tuple[Ring, RingFiles, Path]:
    """Return a ring of three spans and a part, and the file that holds them."""
    ring = Ring.open(folder, clock=SystemClock())
    tracer = Tracer(clock=SystemClock(), sink=ring)
    for name in ("a", "b", "c"):
        with tracer.span(name, trace_id=TRACE, size=1):
            pass
    ring.part(b"h" * 16, b"[data\0" * 9)
    (files,) = rings(folder)
    return ring, files, segment_path(files.folder, 0)


def change(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def ends(path: Path) -> list[int]:
    return [found.end for found in records_in(path.read_bytes(), HEADER, is_over=True)]


def told(entries: list[Entry] | tuple[Entry, ...]) -> list[str]:
    names = {Opened: "opened ", Span: ""}
    return [
        names[type(each)] + each.name if isinstance(each, (Opened, Span)) else type(each).__name__
        for each in entries
    ]


ALL = ["opened a", "a", "opened b", "b", "opened c", "c", "Part"]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    ring, _, path = written(tmp_path_factory.mktemp("rings"))
    ring.close()
    return path.read_bytes()


def test_a_record_in_the_middle_that_is_damaged_is_passed_over_and_told(tmp_path: Path) -> None:
    ring, files, path = written(tmp_path)
    change(path, ends(path)[0] + 2, b"\0\0\0")
    found = files.read(Position())
    # Of the end that is broken, its second line still tells how the span began.
    assert told(found.entries) == ["opened a", "Loss", "opened a", "opened b", *ALL[3:]]
    assert found.at_end
    ring.close()


def test_what_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    ring, files, path = written(tmp_path)
    *_, before, last = ends(path)
    part = path.read_bytes()[before:last]
    change(path, before + 5, bytes(len(part) - 5))
    found = files.read(Position())
    assert told(found.entries) == ALL[:-1]
    change(path, before, part)
    found = files.read(found.now)
    assert told(found.entries) == ["Part"]
    ring.close()


def test_what_a_process_was_killed_over_is_no_damage(tmp_path: Path) -> None:
    ring, files, path = written(tmp_path)
    *_, before, last = ends(path)
    change(path, before + 5, bytes(last - before - 5))
    ring.close()
    assert told(files.read(Position()).entries) == ALL[:-1]


def test_behind_a_gap_of_zeros_all_is_found_once_nobody_writes(tmp_path: Path) -> None:
    ring, files, path = written(tmp_path)
    first, second, *_ = ends(path)
    change(path, first, bytes(second - first))
    assert told(files.read(Position()).entries) == ALL[:1]
    ring.close()
    assert told(files.read(Position()).entries) == ["opened a", "Loss", *ALL[2:]]


def test_a_header_that_is_damaged_hides_nothing(tmp_path: Path) -> None:
    ring, files, path = written(tmp_path)
    ring.close()
    change(path, 0, bytes(HEADER))
    assert told(files.read(Position()).entries) == ALL


def test_a_ring_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    ring, files, path = written(tmp_path)
    ring.close()
    header = unpack_header(path.read_bytes())
    assert header is not None
    newer = Header(99, *header[1:])
    change(path, 0, pack_header(newer))
    with pytest.raises(StorageTooNew):
        files.read(Position())


def test_a_segment_that_is_missing_in_the_middle_does_not_stop_a_reader(tmp_path: Path) -> None:
    ring = Ring(tmp_path, clock=SystemClock(), first_bytes=4096, full_bytes=4096)
    tracer = Tracer(clock=SystemClock(), sink=ring)
    for number in range(60):
        with tracer.span(str(number), trace_id=TRACE):
            pass
    (files,) = rings(tmp_path)
    segment_path(files.folder, 1).unlink()
    names = [each.name for each in files.read(Position()).entries if isinstance(each, Span)]
    assert names[0] == "0"
    assert names[-1] == "59"
    assert len(names) < 60


@given(at=st.integers(min_value=HEADER), flip=st.integers(1, 255))
def test_one_wrong_byte_costs_at_most_what_it_is_in(example: bytes, at: int, flip: int) -> None:
    whole = list(records_in(example, HEADER, is_over=True))
    at = HEADER + at % (whole[-1].end - HEADER)
    broken = bytearray(example)
    broken[at] ^= flip
    found = list(records_in(bytes(broken), HEADER, is_over=True))
    begin = HEADER
    for each in whole:
        if not begin <= at < each.end:
            assert each in found
        begin = each.end


@given(st.binary(max_size=300))
def test_no_bytes_whatever_stop_a_reader(data: bytes) -> None:
    for is_over in (True, False):
        ends = [each.end for each in records_in(data, 0, is_over=is_over)]
        assert ends == sorted(set(ends))
        assert all(end <= len(data) for end in ends)
