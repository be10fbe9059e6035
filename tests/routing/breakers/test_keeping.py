"""The file of circuits: it outlives a process, is shared by several, and is never worth a failure."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import StorageTooNew
from holdfast.routing.breakers.board import Board, Place
from holdfast.routing.breakers.keeping import decode, encode, keep
from holdfast.routing.breakers.rules import Circuit, Forced, Rules
from holdfast.routing.config import fingerprint
from holdfast.routing.faults import Fault
from holdfast.testing.clock import ManualClock

SECRET = "sk-very-secret-key"
HERE = Place("node", fingerprint(SECRET), "m")
OTHER = Place("other", "", "m")
MOMENT = st.integers(0, 2**53)
CIRCUITS = st.builds(
    Circuit,
    state=st.sampled_from(("closed", "open", "half_open")),
    failures=st.integers(0, 9),
    history=st.integers(0, 2**64 - 1),
    seen=st.integers(0, 64),
    epoch=MOMENT,
    openings=st.integers(0, 99),
    changed_ms=MOMENT,
    until_ms=MOMENT,
    paused_until_ms=MOMENT,
    permit_until_ms=MOMENT,
    well_ms=MOMENT,
    reason=st.none() | st.sampled_from(Fault),
    forced=st.sampled_from((None, "open", "closed")),
    forced_ms=MOMENT,
)
PLACES = st.builds(Place, st.text(min_size=1), st.text(), st.text())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "breakers.json"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def opened(path: Path, clock: ManualClock) -> Board:
    return keep(path, Rules(jitter=0.0), now_ms=clock.now_ms, jitter=lambda: 0.0)


def break_down(board: Board, place: Place = HERE) -> None:
    for _ in range(3):
        permit = board.acquire(place)
        assert permit is not None
        permit.fail(Fault.SERVER)
    board.flush()


def force(board: Board, place: Place, forced: Forced | None) -> None:
    board.force(place, forced)
    board.flush()


def test_what_one_process_learnt_the_next_one_knows(path: Path, clock: ManualClock):
    break_down(opened(path, clock))
    later = opened(path, clock)
    assert later.judge(HERE).reason == "server"
    assert later.acquire(HERE) is None
    clock.advance(30)
    permit = later.acquire(HERE)
    assert permit is not None
    permit.succeed()
    later.flush()
    assert opened(path, clock).judge(HERE).ready


def test_nothing_is_written_before_a_circuit_changes(path: Path, clock: ManualClock):
    board = opened(path, clock)
    permit = board.acquire(HERE)
    assert permit is not None
    permit.succeed()
    assert not path.parent.exists()


def test_what_is_forced_by_another_process_is_seen_within_a_second(path: Path, clock: ManualClock):
    proxy, command = opened(path, clock), opened(path, clock)
    clock.advance(0.5)
    force(command, HERE, "open")
    clock.advance(0.5)
    assert proxy.acquire(HERE) is None
    clock.advance(0.1)
    force(command, HERE, None)
    clock.advance(0.899)
    assert not proxy.judge(HERE).ready
    clock.advance(0.001)
    assert proxy.judge(HERE).ready


def test_a_process_that_has_not_looked_yet_does_not_overwrite_what_was_forced(
    path: Path, clock: ManualClock
):
    proxy, command = opened(path, clock), opened(path, clock)
    force(command, HERE, "open")
    force(command, OTHER, "closed")
    clock.advance(0.01)
    break_down(proxy)
    found = opened(path, clock)
    assert (found.circuit(HERE).state, found.circuit(HERE).forced) == ("open", "open")
    assert found.circuit(OTHER).forced == "closed"
    clock.advance(1)
    assert proxy.judge(HERE).reason == "forced"


def test_of_two_processes_one_probes(path: Path, clock: ManualClock):
    one, other = opened(path, clock), opened(path, clock)
    break_down(one)
    clock.advance(31)
    assert not other.judge(HERE).probing
    permit = one.acquire(HERE)
    assert permit is not None
    one.flush()
    clock.advance(1)
    assert other.judge(HERE).probing
    assert other.acquire(HERE) is None


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"\xff", b'{"version": 1}', b'{"version": "1"}',
        b'{"version": 1, "circuits": [1]}',
        b'{"version": 1, "circuits": [{"provider": "p"}]}',
        b'{"version": 1, "circuits": [{"provider": "p", "key": "", "model": "", "state": "ajar"}]}',
        b'{"version": 1, "circuits": [{"provider": "p", "key": "", "model": "", "until_ms": "x"}]}',
        b'{"version": 1, "circuits": [{"provider": "p", "key": "", "model": "", "state": []}]}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_a_warning_and_a_fresh_start(
    path: Path, clock: ManualClock, text, caplog
):
    path.parent.mkdir()
    path.write_bytes(text)
    with caplog.at_level(logging.WARNING):
        board = opened(path, clock)
    assert "is damaged" in caplog.text
    break_down(board)
    assert not opened(path, clock).judge(HERE).ready


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(path: Path, clock: ManualClock):
    path.parent.mkdir()
    path.write_text('{"version": 2}')
    with pytest.raises(StorageTooNew, match="has version 2") as caught:
        opened(path, clock)
    assert "move the file away" in caught.value.hint
    assert path.read_text() == '{"version": 2}'


def test_a_newer_version_that_comes_later_stops_nobody(path: Path, clock: ManualClock, caplog):
    board = opened(path, clock)
    break_down(board)
    path.write_text('{"version": 2}')
    clock.advance(2)
    with caplog.at_level(logging.WARNING):
        assert not board.judge(HERE).ready
    break_down(board, OTHER)
    assert path.read_text() == '{"version": 2}'
    assert "has version 2" in caplog.text


def test_a_place_that_cannot_be_written_is_a_warning(tmp_path: Path, clock: ManualClock, caplog):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    board = opened(in_the_way / "breakers.json", clock)
    with caplog.at_level(logging.WARNING):
        break_down(board)
    assert "not kept" in caplog.text
    assert not board.judge(HERE).ready


def test_no_key_is_written_and_nothing_but_the_file_and_its_lock_stays(
    path: Path, clock: ManualClock
):
    board = opened(path, clock)
    permit = board.acquire(HERE)
    assert permit is not None
    permit.fail(Fault.AUTH)
    board.flush()
    assert SECRET not in path.read_text()
    assert fingerprint(SECRET) in path.read_text()
    assert {each.name for each in path.parent.iterdir()} <= {path.name, f"{path.name}.lock"}


def test_what_is_old_is_forgotten_and_what_is_forced_is_not(path: Path, clock: ManualClock):
    board = opened(path, clock)
    break_down(board)
    force(board, OTHER, "open")
    clock.advance(2 * 86_400)
    break_down(board, Place("third", "", "m"))
    kept = {each["provider"] for each in json.loads(path.read_text())["circuits"]}
    assert kept == {"other", "third"}


def test_a_large_file_is_written_once_a_second_and_nothing_is_lost(path: Path, clock: ManualClock):
    board = opened(path, clock)
    for number in range(201):
        board.force(Place("any", "", f"model {number}"), "open")
    board.flush()
    for number in range(201, 300):
        board.force(Place("any", "", f"model {number}"), "open")
        clock.advance(0.001)
    board.judge(HERE)
    assert len(json.loads(path.read_text())["circuits"]) == 201
    clock.advance(1)
    board.judge(HERE)
    board.flush()
    assert not board.judge(Place("any", "", "model 1")).ready
    assert len(json.loads(path.read_text())["circuits"]) == 300
    force(board, OTHER, "open")
    board.force(HERE, "open")
    board.flush()  # what is owed is written at the end, before its second is over
    assert len(json.loads(path.read_text())["circuits"]) == 302


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file, as another process may that stands still."""
    path.parent.mkdir()
    with path.with_name(f"{path.name}.lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def test_who_holds_the_lock_holds_nobody_up_and_the_last_change_is_written(
    path: Path, clock: ManualClock
):
    with locked(path):
        board = opened(path, clock)
        for place in (HERE, OTHER):
            for _ in range(3):
                permit = board.acquire(place)
                assert permit is not None
                permit.fail(Fault.SERVER)
        assert not board.judge(HERE).ready
        assert not path.exists()
    board.flush()
    found = opened(path, clock)
    assert not found.judge(HERE).ready
    assert not found.judge(OTHER).ready


def test_a_lock_that_is_never_free_is_told(path: Path, clock: ManualClock, caplog, monkeypatch):
    monkeypatch.setattr("holdfast.routing.breakers.keeping._LOCK_TRIES", 2)
    board = opened(path, clock)
    with locked(path), caplog.at_level(logging.WARNING):
        break_down(board)
    assert "another process holds 'breakers.json.lock'" in caplog.text


def test_a_full_disk_is_told_once_and_what_is_written_later_is_whole(
    path: Path, clock: ManualClock, caplog, monkeypatch
):
    board = opened(path, clock)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr("holdfast.routing.breakers.keeping._replace", full)
        break_down(board)
        force(board, OTHER, "open")
    assert caplog.text.count("No space left on device") == 1
    force(board, Place("third"), "open")
    assert not opened(path, clock).judge(HERE).ready
    assert not opened(path, clock).judge(OTHER).ready


def test_what_a_full_disk_refused_is_tried_again_in_a_while_without_a_change(
    path: Path, clock: ManualClock, caplog, monkeypatch
):
    board, tries = opened(path, clock), 0

    def full(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("holdfast.routing.breakers.keeping._replace", full)
        force(board, HERE, "open")
        for seconds, expected in ((9, 1), (1, 2), (9, 2), (1, 3)):
            clock.advance(seconds)
            board.judge(OTHER)
            board.flush()
            assert tries == expected
    assert caplog.text.count("No space left on device") == 1
    clock.advance(10)
    board.judge(OTHER)
    board.flush()
    assert opened(path, clock).circuit(HERE).forced == "open"
    path.unlink()  # what is written is not owed any more
    clock.advance(10)
    board.judge(OTHER)
    board.flush()
    assert not path.exists()


def test_a_process_that_ends_tries_once_more_what_was_refused_a_while_ago(
    path: Path, clock: ManualClock, monkeypatch
):
    board = opened(path, clock)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("holdfast.routing.breakers.keeping._replace", full)
        force(board, HERE, "open")
    clock.advance(10)
    board.flush()
    assert opened(path, clock).circuit(HERE).forced == "open"


def test_a_process_that_ends_without_a_word_of_farewell_writes_what_it_knows(tmp_path: Path):
    program = f"""
from pathlib import Path
from holdfast.routing.breakers.board import Place
from holdfast.routing.breakers.keeping import keep
from holdfast.routing.breakers.rules import Rules

board = keep(Path({str(tmp_path)!r}) / "breakers.json", Rules(), now_ms=lambda: 1, jitter=lambda: 0.0)
board.force(Place("node", "", "m"), "open")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert json.loads((tmp_path / "breakers.json").read_text())["circuits"][0]["forced"] == "open"


@given(circuits=st.dictionaries(PLACES, CIRCUITS, max_size=5))
def test_every_circuit_is_read_as_it_was_written(circuits: dict[Place, Circuit]):
    assert decode(encode(circuits), "file") == circuits
