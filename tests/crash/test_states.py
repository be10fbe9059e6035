"""What the two models say that a power cut may leave behind."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from holdfast.testing.crash import ROOT, Bounds, Content, Image, Ledger, RecordingDisk, explore
from holdfast.testing.crash.pending import Model, Pending
from holdfast.testing.crash.recording import ALWAYS
from holdfast.testing.crash.states import Cut

MODELS: tuple[Model, ...] = ("ordered", "weak")


def left(act: Callable[[RecordingDisk], object], model: Model, per_cut: int = 4096) -> list[Image]:
    """Return every disk that a cut behind the last operation may leave."""
    disk = RecordingDisk()
    act(disk)
    pending = Pending(disk.start, model, ALWAYS)
    for operation in disk.operations:
        pending.add(operation)
    return [state.image() for state in Cut(pending, Bounds(per_cut=per_cut), Random(0)).states()]


def names(act: Callable[[RecordingDisk], object], model: Model, per_cut: int = 4096) -> set[str]:
    """Return the sets of files that may be left, each as one word."""
    return {
        "".join(sorted(path.rpartition("/")[2] for path in image.files))
        for image in left(act, model, per_cut)
    }


def make(disk: RecordingDisk, name: str, data: bytes = b"") -> int:
    handle = disk.open(ROOT / name, create=True)
    if data:
        disk.write(handle, data, 0)
    return handle


def make_two(disk: RecordingDisk) -> None:
    make(disk, "a")
    make(disk, "b")


def test_names_come_in_order_in_the_ordered_model_only() -> None:
    assert names(make_two, "ordered") == {"", "a", "ab"}
    assert names(make_two, "weak") == {"", "a", "b", "ab"}


def test_a_synced_folder_keeps_its_names() -> None:
    def act(disk):
        make_two(disk)
        disk.sync_folder(ROOT)

    assert names(act, "ordered") == names(act, "weak") == {"ab"}


def test_a_synced_folder_keeps_no_names_of_another() -> None:
    def act(disk):
        disk.make_folder(ROOT / "folder")
        make(disk, "folder/a")
        disk.sync_folder(ROOT / "folder")

    # Without its own name in the folder above, nothing in it can be reached.
    assert names(act, "weak") == {"", "a"}
    assert names(act, "ordered") == {"a"}


def test_the_sync_of_a_longer_file_takes_along_what_came_before_in_the_ordered_model() -> None:
    def act(disk):
        make(disk, "a")
        disk.sync(make(disk, "b", b"data"))
        make(disk, "c")

    assert names(act, "ordered") == {"ab", "abc"}
    assert names(act, "weak") == {"", "a", "b", "c", "ab", "ac", "bc", "abc"}


def test_the_sync_of_a_write_in_place_takes_nothing_along() -> None:
    def act(disk):
        handle = make(disk, "a", b"data")
        disk.sync(handle)
        make(disk, "b")
        disk.write(handle, b"DATA", 0)
        disk.sync(handle)

    assert names(act, "ordered") == {"a", "ab"}


def test_a_folder_without_its_own_name_hides_all_that_is_below_it() -> None:
    def act(disk):
        disk.make_folder(ROOT / "folder")
        disk.make_folder(ROOT / "folder" / "inner")
        make(disk, "folder/inner/a")
        disk.sync_folder(ROOT / "folder" / "inner")
        disk.sync_folder(ROOT / "folder")

    assert names(act, "weak") == {"", "a"}


def test_where_all_states_are_too_many_each_single_name_is_missing_once() -> None:
    letters = "abcdefghijkl"

    def act(disk):
        for letter in letters:
            make(disk, letter)

    found = names(act, "weak", per_cut=64)
    assert {letters.replace(letter, "") for letter in letters} | {"", letters} <= found


@pytest.mark.parametrize("model", MODELS)
def test_a_rename_within_a_folder_is_one_change(model: Model) -> None:
    def act(disk):
        make(disk, "a")
        disk.sync_folder(ROOT)
        disk.rename(ROOT / "a", ROOT / "b")

    assert names(act, model) == {"a", "b"}


def test_a_rename_across_folders_may_leave_both_names_or_none() -> None:
    def act(disk):
        disk.make_folder(ROOT / "folder")
        make(disk, "a")
        disk.sync_folder(ROOT)
        disk.rename(ROOT / "a", ROOT / "folder" / "b")

    assert names(act, "weak") == {"", "a", "b", "ab"}


@pytest.mark.parametrize("model", MODELS)
def test_a_removed_file_may_come_back_until_its_folder_is_synced(model: Model) -> None:
    def act(disk):
        make(disk, "a")
        disk.sync_folder(ROOT)
        disk.unlink(ROOT / "a")

    assert names(act, model) == {"", "a"}


@pytest.mark.parametrize("model", MODELS)
def test_synced_content_is_whole_and_unsynced_is_anything(model: Model) -> None:
    def act(disk):
        handle = make(disk, "a", b"12")
        disk.sync(handle)
        disk.sync_folder(ROOT)
        disk.write(handle, b"34", 2)

    contents = {image.files[str(ROOT / "a")] for image in left(act, model)}
    assert contents == {
        Content(b"12", 2),  # nothing of it
        Content(b"123", 3),  # torn
        Content(b"12", 4),  # its length
        Content(b"1234", 4),  # all of it
    }


@pytest.mark.parametrize("model", MODELS)
def test_later_writes_may_be_there_without_earlier_ones(model: Model) -> None:
    def act(disk):
        handle = make(disk, "a")
        disk.sync_folder(ROOT)
        disk.allocate(handle, 2)
        disk.sync(handle)
        disk.write(handle, b"1", 0)
        disk.write(handle, b"2", 1)

    contents = {image.files[str(ROOT / "a")].bytes() for image in left(act, model)}
    assert contents == {b"\0\0", b"1\0", b"\x002", b"12"}


@pytest.mark.parametrize("model", MODELS)
def test_a_truncation_may_be_lost(model: Model) -> None:
    def act(disk):
        handle = make(disk, "a", b"1234")
        disk.sync(handle)
        disk.sync_folder(ROOT)
        disk.truncate(handle, 2)

    assert {image.files[str(ROOT / "a")].bytes() for image in left(act, model)} == {b"12", b"1234"}


def test_lengths_come_in_order_with_names_in_the_ordered_model_only() -> None:
    def act(disk):
        handle = make(disk, "a", b"1234")
        disk.sync(handle)
        disk.sync_folder(ROOT)
        disk.truncate(handle, 2)
        make(disk, "b")

    both = {(len(image.files), image.files[str(ROOT / "a")].size) for image in left(act, "ordered")}
    assert both == {(1, 4), (1, 2), (2, 2)}
    both = {(len(image.files), image.files[str(ROOT / "a")].size) for image in left(act, "weak")}
    assert both == {(1, 4), (1, 2), (2, 2), (2, 4)}


@pytest.mark.parametrize("model", MODELS)
def test_what_a_failed_sync_left_is_saved_by_no_later_one(model: Model) -> None:
    def act(disk):
        handle = make(disk, "a")
        disk.sync_folder(ROOT)
        disk.write(handle, b"1", 0)
        disk.fail_sync(handle)
        disk.write(handle, b"2", 1)
        disk.sync(handle)

    contents = {image.files[str(ROOT / "a")].bytes() for image in left(act, model)}
    assert contents == {b"\x002", b"12"}


def test_an_acknowledgement_counts_from_its_own_moment_on() -> None:
    def program(disk, ledger):
        ledger.attempt("a")
        handle = make(disk, "a", b"data")
        disk.sync(handle)
        disk.sync_folder(ROOT)
        ledger.acknowledge("a")

    def recover(disk):
        return ["a"] if "a" in disk.names(ROOT) else []

    explore(program, recover).require_clean()

    def early(disk, ledger):
        ledger.attempt("a")
        disk.sync(make(disk, "a", b"data"))
        ledger.acknowledge("a")
        disk.sync_folder(ROOT)

    # At the cut behind the sync of the file; behind that of the folder it is there.
    assert {fault.cut for fault in explore(early, recover).faults} == {3}


def test_only_what_was_attempted_may_be_acknowledged() -> None:
    ledger = Ledger(RecordingDisk())
    with pytest.raises(AssertionError, match="never attempted"):
        ledger.acknowledge("a")
