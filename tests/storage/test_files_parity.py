"""Compressed segments that are damaged."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from holdfast.storage.files.parity import inspect, mended, protect
from holdfast.storage.files.segments import compress, decompress
from tests.storage.files_damage import (
    change,
    check,
    compress_all,
    fill_mixed,
    remedies,
    state_of,
)
from tests.storage.files_help import drop_index


@pytest.fixture
async def test_a_compressed_segment_with_one_damaged_block_is_healed_by_the_others(
    tmp_path: Path, small_segments: None
) -> None:
    await fill_mixed(tmp_path, 30)
    compress_all(tmp_path)
    drop_index(tmp_path)
    before = await state_of(tmp_path)
    file = tmp_path / "journal" / "00000002.jsonl.zst"
    change(file, lambda data: data.__setitem__(slice(100, 130), bytes(30)))
    report = check(tmp_path)
    assert remedies(report) == ["healed"]
    assert report.findings[0].file == "journal/00000002.jsonl.zst"
    drop_index(tmp_path)
    # Whoever opens it need not even wait for the repair.
    assert await state_of(tmp_path) == before


def test_parity_heals_a_block_in_each_group_and_never_guesses() -> None:
    data = random.Random(3).randbytes(4096 * 130 + 77)
    packed = protect(data)
    assert len(packed) - len(data) < 0.03 * len(data)
    holes = bytearray(packed)
    for block in (3, 70, 129):
        holes[block * 4096 : block * 4096 + 900] = bytes(900)
    seen = inspect(bytes(holes))
    assert (seen.frames, seen.is_mended, list(seen.damaged)) == (data, True, [3, 70, 129])
    holes[5 * 4096] ^= 1
    seen = inspect(bytes(holes))
    assert not seen.is_mended
    assert seen.frames != data
    assert mended(data) == data


def test_whoever_knows_nothing_of_parity_can_read_the_file() -> None:
    content = b"line\n" * 1000
    assert decompress(protect(compress(content))) == content
