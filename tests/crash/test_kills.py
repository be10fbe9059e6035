"""What was acknowledged survives `kill -9` of writers under load."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.storage.seam import Ack
from holdfast.testing.crash import Order, kill_storm
from holdfast.testing.crash.evidence import author, payload
from holdfast.testing.crash.figures import CrashFigures
from tests.crash.embedded import EMBEDDED


def order(scheme: str, folder: Path, **more) -> Order:
    return Order(url=f"{scheme}:{folder / 'store'}", name="writer", **more)


def storm(scheme: str, folder: Path, kills: int, ack: Ack, figures: CrashFigures) -> None:
    found = kill_storm(order(scheme, folder, ack=ack), kills=kills, seed=kills)
    figures.add(f"kill -9, {scheme}", {"kills": found.blows, **found.figures()})
    found.require_clean()
    assert found.acknowledged > kills
    assert found.verdict.held > 0


@pytest.mark.promise("acknowledged-survives", "batch-is-atomic", "logs-have-no-gaps")
@pytest.mark.parametrize("scheme", EMBEDDED)
def test_kills_of_writers_lose_nothing(
    scheme: str, tmp_path: Path, crash_figures: CrashFigures
) -> None:
    storm(scheme, tmp_path, 40, "disk", crash_figures)


@pytest.mark.torture
@pytest.mark.parametrize(("ack", "kills"), [("disk", 400), ("os", 150)])
@pytest.mark.parametrize("scheme", EMBEDDED)
def test_hundreds_of_kills_of_writers_lose_nothing(
    scheme: str, ack: Ack, kills: int, tmp_path: Path, crash_figures: CrashFigures
) -> None:
    storm(scheme, tmp_path, kills, ack, crash_figures)


@pytest.mark.parametrize("scheme", EMBEDDED)
def test_a_writer_that_acknowledges_too_early_is_found(scheme: str, tmp_path: Path) -> None:
    found = kill_storm(order(scheme, tmp_path, early=True), kills=20)
    assert found.verdict.lost
    with pytest.raises(AssertionError, match="acknowledged writes are lost"):
        found.require_clean()


def test_an_error_that_comes_out_of_a_thread_is_found(tmp_path: Path) -> None:
    shell = ("sh", "-c", 'echo "Traceback: in a thread" >&2; exec "$0" "$@"')
    found = kill_storm(order("sqlite", tmp_path), kills=1, under=shell)
    assert found.verdict.wrong == ["Traceback: in a thread\n"]


def test_a_value_tells_who_wrote_it_and_nothing_else_is_believed() -> None:
    value = payload("writer1", "2", 34)
    assert author(value) == ("writer1", "2", 34)
    assert author(value[:-1]) is None
    assert author(value.replace(b"34", b"35", 1)) is None
    assert author(b"") is None
