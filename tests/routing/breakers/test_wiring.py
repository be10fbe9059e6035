"""What a project knows of its endpoints reaches the next process through the router that it builds."""

from __future__ import annotations

from pathlib import Path

from holdfast.app.services import build_router
from holdfast.routing.breakers.board import Board, Place
from holdfast.routing.faults import Fault
from holdfast.routing.router import Router
from holdfast.settings import load_settings
from holdfast.testing.clock import ManualClock
from holdfast.testing.providers import ScriptedProvider
from holdfast.tracing.tracer import Tracer

SETTINGS = """
[providers.node]
base_url = "http://127.0.0.1:9/v1"
models = ["m"]
"""
HERE = Place("node", "", "m")


def router_of(folder: Path, clock: ManualClock, exchange=None, **overrides) -> Router:
    settings = load_settings(folder, {}, **overrides)
    return build_router(settings, Tracer(clock=clock), clock, exchange)


def board_of(folder: Path, clock: ManualClock, exchange=None, **overrides) -> Board:
    return router_of(folder, clock, exchange, **overrides).dispatcher.board


def break_down(board: Board) -> None:
    for _ in range(3):
        permit = board.acquire(HERE)
        assert permit is not None
        permit.fail(Fault.SERVER)


async def test_a_router_begins_with_what_the_last_one_learnt(tmp_path: Path):
    (tmp_path / "holdfast.toml").write_text(SETTINGS)
    clock = ManualClock()
    router = router_of(tmp_path, clock)
    break_down(router.dispatcher.board)
    await router.close()
    assert (tmp_path / ".holdfast" / "breakers.json").exists()
    assert not board_of(tmp_path, clock).judge(HERE).ready


def test_recorded_answers_and_a_store_in_memory_leave_nothing_behind(tmp_path: Path):
    (tmp_path / "holdfast.toml").write_text(SETTINGS)
    clock = ManualClock()
    replay = ScriptedProvider([], name="node", models=("m",))
    for board in (
        board_of(tmp_path, clock, lambda _: [replay]),
        board_of(tmp_path, clock, store="memory://"),
    ):
        break_down(board)
        board.flush()
    assert [each.name for each in tmp_path.iterdir()] == ["holdfast.toml"]
