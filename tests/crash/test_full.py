"""A full disk is said cleanly, loses nothing, and is forgotten once there is space."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.storage.files.store import FilesStore
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.crash import fill_disk, open_on_full_disk, small_disk
from holdfast.testing.crash.figures import CrashFigures
from holdfast.testing.crash.mounts import missing
from tests.crash.embedded import EMBEDDED

SIZE = 3 << 20


@pytest.mark.promise("full-disk-loses-nothing")
@pytest.mark.parametrize("value_bytes", [64, 4096, 100_000])
@pytest.mark.parametrize("scheme", EMBEDDED)
async def test_a_full_disk_refuses_cleanly_and_loses_nothing(
    scheme: str, value_bytes: int, apart: Path, crash_figures: CrashFigures
) -> None:
    if reason := missing("tmpfs"):
        crash_figures.skip("full disk", reason)
    with small_disk(apart / "small", SIZE) as folder:
        found = await fill_disk(
            f"{scheme}:{folder / 'store'}", folder / "ballast", value_bytes=value_bytes
        )
    crash_figures.add(f"full disk, {scheme}", found.figures())
    assert found.lost == 0
    assert found.refused >= 20
    assert found.acknowledged > 3


@pytest.mark.parametrize("scheme", EMBEDDED)
async def test_a_store_is_opened_on_a_full_disk_or_says_that_it_is_full(
    scheme: str, apart: Path, crash_figures: CrashFigures
) -> None:
    if reason := missing("tmpfs"):
        crash_figures.skip("full disk", reason)
    with small_disk(apart / "small", SIZE) as folder:
        found = await open_on_full_disk(f"{scheme}:{folder / 'store'}", folder / "ballast")
    assert found.lost == 0


@pytest.mark.parametrize(("verb", "nothing"), [("get", None), ("read", [])])
@pytest.mark.parametrize("scheme", EMBEDDED)
async def test_a_store_that_forgets_is_found(
    scheme: str,
    verb: str,
    nothing: object,
    apart: Path,
    crash_figures: CrashFigures,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if reason := missing("tmpfs"):
        crash_figures.skip("full disk", reason)

    async def forget(self, key):
        return nothing

    for kind in (FilesStore, SqliteStore):
        monkeypatch.setattr(kind, verb, forget)
    with small_disk(apart / "small", SIZE) as folder:
        found = await fill_disk(f"{scheme}:{folder / 'store'}", folder / "ballast", rounds=1)
    assert found.lost > 0
