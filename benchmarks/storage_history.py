"""Measure stores with a million records: get, claim, opening after a crash, a new index."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from statistics import median

from benchmarks.measure import Results, Values, fresh_folder, note, ours
from benchmarks.ours.loading import kill_under_load

EMBEDDED = ("memory", "sqlite", "files")
ON_DISK = ("sqlite", "files")
SMALL = 1000


def measure(folder: Path, *, records: int, gets: int, claims: int, kills: Sequence[int]) -> Values:
    """Fill stores once and return the figures of all that is asked of them."""
    with fresh_folder(folder) as place:
        filled = _fill(place, records)
        return {
            "files_fill_s": filled["files"]["seconds"],
            "sqlite_fill_s": filled["sqlite"]["seconds"],
            **_growth(place, records, gets),
            **_claims(place, records, claims),
            **_openings(place, records, kills),
        }


def _store(place: Path, backend: str, records: int) -> Path:
    return place / f"{backend}-{records}"


def _fill(place: Path, records: int) -> Mapping[str, Results]:
    """Fill both backends at once: how long it takes is for information only."""
    note(f"benchmarks: filling stores with {records:,} records")

    def fill(backend: str, amount: int) -> Results:
        where = str(_store(place, backend, amount))
        return ours("filling", place, backend=backend, place=where, records=amount)()

    with ThreadPoolExecutor() as pool:
        small = [pool.submit(fill, backend, SMALL) for backend in ON_DISK]
        large = {backend: pool.submit(fill, backend, records) for backend in ON_DISK}
        for each in small:
            each.result()
        return {backend: each.result() for backend, each in large.items()}


def _growth(place: Path, records: int, gets: int) -> Values:
    note("benchmarks: get")
    found: Values = {}
    sizes = [SMALL, records]
    for backend in EMBEDDED:
        places = [str(_store(place, backend, size)) for size in sizes]
        times = ours("gets", place, backend=backend, places=places, sizes=sizes, gets=gets)()
        found[f"{backend}_get_us"] = times[str(records)]
        found[f"{backend}_get_growth"] = times[str(records)] / times[str(SMALL)]
    found["get_growth"] = max(found[f"{backend}_get_growth"] or 0 for backend in EMBEDDED)
    return found


def _claims(place: Path, records: int, claims: int) -> Values:
    note("benchmarks: claim")
    where = str(_store(place, "files", records))
    times = ours("claims", place, backend="files", place=where, claims=claims)()
    return {
        "due_ms": max(times["all_ms"], times["vain_ms"]),
        "due_first_ms": times["first_ms"],
        "due_last_ms": times["last_ms"],
        "due_nothing_ms": times["vain_ms"],
    }


def _openings(place: Path, records: int, kills: Sequence[int]) -> Values:
    note("benchmarks: opening after a crash")
    where = _store(place, "files", records)
    opening = ours("opening", place, backend="files", place=str(where), records=records)
    clean = opening()["ms"]
    openings: list[Results] = []
    read_again: list[float] = []
    for puts in kills:
        kill_under_load("files", where, puts)
        indexed = _indexed_version(where / "files", place)
        openings.append(opening())
        # Each put of the process that was killed gave one version, and so did the probe.
        read_again.append(openings[-1]["version"] - indexed - 1)
    note("benchmarks: opening without an index")
    for path in (where / "files").glob("index.db*"):
        path.unlink()
    rebuild = opening()["ms"] / 1000
    times = [each["ms"] for each in openings]
    return {
        "open_ms": median(times),
        "open_worst_ms": max(times),
        "open_read_again": median(read_again),
        "open_read_again_worst": max(read_again),
        "open_clean_ms": clean,
        "open_import_ms": median(each["import_ms"] for each in openings),
        "rebuild_s": rebuild,
    }


def _indexed_version(store: Path, place: Path) -> int:
    """Return the greatest version that the index knows, without opening the index itself.

    That would recover its log, which is work of the opening that is going to be measured.
    """
    with fresh_folder(place) as aside:
        (aside / "index.db").hardlink_to(store / "index.db")
        log = store / "index.db-wal"
        if log.exists():
            shutil.copy(log, aside)
        address = f"file:{aside / 'index.db'}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as index:
            return index.execute("SELECT version FROM applied").fetchone()[0]
