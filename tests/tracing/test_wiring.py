"""The runtime journals spans and sees to it that they are taken in, also where nobody reads them."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from holdfast import open_runtime
from holdfast.app.traces import open_traces
from holdfast.engine.seam import Inputs, RunContext
from holdfast.errors import SettingsError
from holdfast.settings import Settings, load_settings
from holdfast.testing.clock import ManualClock
from holdfast.tracing.store.seam import Query


async def nothing() -> None:
    pass


async def program(context: RunContext, inputs: Inputs) -> object:
    await context.step("step", nothing)
    return 1


async def run_once(settings: Settings, **options: object) -> str:
    async with open_runtime(settings, programs={"p": program}, **options) as runtime:  # type: ignore[arg-type]
        run_id = await runtime.engine.start("p", {})
        await runtime.engine.settle(run_id)
        return run_id


def settings_in(folder: Path, text: str = "") -> Settings:
    (folder / "holdfast.toml").write_text(text)
    return load_settings(folder, {})


async def test_rings_that_nobody_reads_do_not_pile_up(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    ids = [await run_once(settings) for _ in range(20)]
    assert len(_files(tmp_path / ".holdfast" / "traces" / "rings")) <= 16
    with open_traces(settings) as traces:
        assert {each.trace_id for each in traces.traces(limit=50).traces} == set(ids)


async def test_a_runtime_that_stays_open_takes_spans_in_and_sweeps_what_is_old(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path, "[tracing]\nkeep_days = 1\n")
    clock = ManualClock()
    database = tmp_path / ".holdfast" / "traces" / "traces.db"
    async with open_runtime(settings, programs={"p": program}, clock=clock) as runtime:
        run_id = await runtime.engine.start("p", {})
        await runtime.engine.settle(run_id)
        with anyio.fail_after(20):
            while not database.exists():
                clock.advance(60)
                await anyio.lowlevel.checkpoint()
            clock.advance(3 * 86_400)
            while True:
                with open_traces(settings) as traces:
                    if not traces.traces().traces:
                        break
                clock.advance(60)
                await anyio.lowlevel.checkpoint()


async def test_a_run_is_marked_with_the_release_and_its_owner(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, '[tracing]\nrelease = "v9"\n')
    run_id = await run_once(settings, owner="ada")
    with open_traces(settings) as traces:
        (found,) = traces.traces(Query(release="v9", user="ada", workflow="p")).traces
    assert found.trace_id == run_id


async def test_a_hook_that_is_not_there_stops_the_start_and_says_why(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, '[tracing]\nredact_hook = "nowhere:mask"\n')
    with pytest.raises(SettingsError, match="'nowhere:mask' cannot be imported"):
        await run_once(settings)


async def test_nothing_is_traced_over_a_store_in_memory(tmp_path: Path) -> None:
    await run_once(load_settings(tmp_path, {}, store="memory://"))
    assert not _files(tmp_path)


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())
