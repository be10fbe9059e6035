"""The disk in memory does what the operating system does, and remembers it."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.storage.files.disk import Disk, SystemDisk
from holdfast.testing.crash import ROOT, Content, FailingDisk, Image, Killed, RecordingDisk
from holdfast.testing.crash.fates import fates
from holdfast.testing.crash.operations import FailedSync, Name, Write

NAMES = "a", "b", "folder", "folder/a"

CALLS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["open", "create", "exclusive"]), st.sampled_from(NAMES)),
        st.tuples(st.sampled_from(["unlink", "make_folder", "names"]), st.sampled_from(NAMES)),
        st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(
            st.sampled_from(["write", "read"]),
            st.integers(0, 3),
            st.integers(0, 50),
            st.integers(1, 30),
        ),
        st.tuples(st.sampled_from(["allocate", "truncate"]), st.integers(0, 3), st.integers(1, 60)),
        st.tuples(st.sampled_from(["size", "sync", "close"]), st.integers(0, 3)),
    ),
    max_size=30,
)


def perform(disk: Disk, root: Path, handles: list[int], call: tuple) -> object:
    """Make one call; return what it gave, or what kind of error."""
    kind, *rest = call
    try:
        if kind in ("open", "create", "exclusive"):
            flags = {} if kind == "open" else {kind: True}
            handles.append(disk.open(root / rest[0], **flags))
            return "opened"
        if kind in ("unlink", "make_folder", "names"):
            return getattr(disk, kind)(root / rest[0])
        if kind == "rename":
            return disk.rename(root / rest[0], root / rest[1])
        if not handles:
            return "no handle"
        return _with_handle(disk, handles, kind, rest)
    except OSError as error:
        return type(error)


def _with_handle(disk: Disk, handles: list[int], kind: str, rest: list[int]) -> object:
    at = rest[0] % len(handles)
    handle = handles[at]
    if kind == "write":
        return disk.write(handle, b"w" * rest[2], rest[1])
    if kind == "read":
        return disk.read(handle, rest[2], rest[1])
    if kind == "close":
        return disk.close(handles.pop(at))
    return getattr(disk, kind)(handle, *rest[1:])


def is_modelled(call: tuple) -> bool:
    """The model has one folder, which is never opened, renamed or removed."""
    if call[0] == "make_folder":
        return call[1] == "folder"
    return call[0] == "names" or "folder" not in call[1:]


@settings(deadline=None, max_examples=200)
@given(calls=CALLS)
def test_the_recording_disk_behaves_like_the_system(
    calls: list[tuple], tmp_path_factory: pytest.TempPathFactory
) -> None:
    real_root = tmp_path_factory.mktemp("disk")
    real, model = SystemDisk(), RecordingDisk()
    real_handles: list[int] = []
    model_handles: list[int] = []
    for call in [("create", "a"), *calls]:
        if not is_modelled(call):
            continue
        given_by_model = perform(model, ROOT, model_handles, call)
        assert given_by_model == perform(real, real_root, real_handles, call), call
    for handle in real_handles:
        real.close(handle)
    real_image = Image.of_folder(real_root)
    shown = {path.replace(str(real_root), str(ROOT)): c for path, c in real_image.files.items()}
    assert model.image.files == shown


def test_an_image_is_written_out_and_read_back(tmp_path: Path) -> None:
    disk = RecordingDisk()
    disk.make_folder(ROOT / "folder")
    handle = disk.open(ROOT / "folder" / "file", create=True)
    disk.write(handle, b"abc", 0)
    disk.allocate(handle, 10)
    disk.image.write_to(tmp_path / "out", root=ROOT)
    assert (tmp_path / "out" / "folder" / "file").read_bytes() == b"abc" + bytes(7)
    again = RecordingDisk(disk.image)
    assert again.read(again.open(ROOT / "folder" / "file"), 20, 0) == b"abc" + bytes(7)


def test_unlocking_without_the_lock_is_an_error() -> None:
    disk = RecordingDisk()
    one, two = (disk.open(ROOT / "file", create=True) for _ in range(2))
    with pytest.raises(AssertionError, match="unlocked by one who has no lock"):
        disk.unlock(one)
    disk.lock(one)
    with pytest.raises(AssertionError, match="unlocked by one who has no lock"):
        disk.unlock(two)
    disk.unlock(one)


def test_a_lock_waits_for_the_handle_that_holds_it() -> None:
    disk = RecordingDisk()
    one, two = (disk.open(ROOT / "file", create=True) for _ in range(2))
    disk.lock(one)
    order: list[str] = []

    def wait() -> None:
        disk.lock(two)
        order.append("two")

    waiter = threading.Thread(target=wait)
    waiter.start()
    order.append("one")
    disk.close(one)  # frees its lock
    waiter.join(5)
    assert order == ["one", "two"]


def test_a_write_may_be_torn_at_every_byte_and_lack_any_page() -> None:
    import random

    write = Write(0, "file", 4096 - 10, b"x" * 20, 0)
    found = {fate.apply(Content()) for fate in fates(write, tears=64, chance=random.Random(0))}
    assert {content.size for content in found if content.data.strip(b"\0")} >= set(
        range(4087, 4107)
    )
    first, second = Content().write(b"x" * 10, 4086), Content().write(b"x" * 10, 4096)
    assert {first.resize(4106), first, second} <= found
    assert Content(b"", 4106) in found
    assert Content() in found


@pytest.mark.parametrize(("how", "number"), [("EIO", errno.EIO), ("ENOSPC", errno.ENOSPC)])
def test_a_failing_disk_fails_at_the_chosen_call(how: str, number: int) -> None:
    inner = RecordingDisk()
    disk = FailingDisk(inner, at=2, how=how)
    handle = disk.open(ROOT / "file", create=True)
    with pytest.raises(OSError, match="injected") as caught:
        disk.write(handle, b"x", 0)
    assert caught.value.errno == number
    assert disk.broken == "write"
    assert inner.image.files == {"/disk/file": Content()}


def test_a_full_disk_stays_full_until_there_is_space() -> None:
    disk = FailingDisk(RecordingDisk(), at=2, how="ENOSPC")
    handle = disk.open(ROOT / "file", create=True)
    for _ in range(3):
        with pytest.raises(OSError, match="no space is left"):
            disk.write(handle, b"x", 0)
    disk.free()
    assert disk.write(handle, b"x", 0) == 1


def test_a_disk_that_went_read_only_is_read_on() -> None:
    disk = FailingDisk(RecordingDisk(), at=3, how="EROFS")
    handle = disk.open(ROOT / "file", create=True)
    disk.write(handle, b"x", 0)
    for change in (lambda: disk.write(handle, b"y", 1), lambda: disk.unlink(ROOT / "file")):
        with pytest.raises(OSError, match="read-only"):
            change()
    assert disk.read(disk.open(ROOT / "file"), 9, 0) == b"x"


def test_a_short_write_takes_half() -> None:
    disk = FailingDisk(RecordingDisk(), at=1, how="short")
    handle = disk.open(ROOT / "file", create=True)
    assert disk.write(handle, b"abcd", 0) == 2
    assert disk.write(handle, b"cd", 2) == 2
    assert disk.read(handle, 9, 0) == b"abcd"


def test_a_killed_process_changes_nothing_more() -> None:
    inner = RecordingDisk()
    disk = FailingDisk(inner, at=1, how="kill")
    with pytest.raises(Killed):
        disk.open(ROOT / "file", create=True)
    with pytest.raises(Killed):
        disk.names(ROOT)
    assert inner.operations == []


def test_a_failed_sync_is_remembered() -> None:
    inner = RecordingDisk()
    disk = FailingDisk(inner, at=3, how="EIO")
    handle = disk.open(ROOT / "file", create=True)
    disk.write(handle, b"x", 0)
    with pytest.raises(OSError, match="injected"):
        disk.sync(handle)
    assert [type(each) for each in inner.operations] == [Name, Write, FailedSync]


def test_what_was_cut_off_is_gone() -> None:
    disk = RecordingDisk()
    handle = disk.open(ROOT / "file", create=True)
    disk.write(handle, b"abcd", 0)
    disk.truncate(handle, 2)
    assert disk.image.files == {"/disk/file": Content(b"ab", 2)}
    disk.allocate(handle, 4)
    assert disk.read(handle, 9, 0) == b"ab\0\0"
