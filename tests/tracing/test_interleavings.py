"""In ten thousand random programs every span hangs below the right one."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.clock import SystemClock
from holdfast.tracing.carrying import carry
from holdfast.tracing.kept import Kept
from holdfast.tracing.tracer import Tracer
from tests.tracing.interleaving import Program


@pytest.fixture(autouse=True)
def carried() -> Iterator[None]:
    undo = carry()
    yield
    undo()


async def collected() -> None:
    """Let the streams be closed that nobody closed, and the tasks end that were cancelled."""
    gc.collect(0)
    await asyncio.sleep(0)
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(left)


def run(seeds: Iterable[int]) -> tuple[int, list[str]]:
    """Run a program a seed; return how many spans there were, and all that was wrong."""
    wrong: list[str] = []
    count = 0
    with ThreadPoolExecutor(2) as pool, asyncio.Runner() as runner:
        for seed in seeds:
            kept = Kept()
            program = Program(Tracer(clock=SystemClock(), sink=kept), seed, pool)
            runner.run(program.run())
            runner.run(collected())
            if kept.open:  # a collection in between may have made a lost stream old
                gc.collect()
                runner.run(collected())
            wrong += [f"program {seed}: {each}" for each in program.wrong]
            if kept.open:
                wrong.append(f"program {seed}: {[each.name for each in kept.open]} never ended")
            count += program.spans
    return count, wrong


def test_random_programs_nest_their_spans_rightly() -> None:
    count, wrong = run(range(200))
    assert wrong == []
    assert count > 2000


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_ten_thousand_random_programs_nest_their_spans_rightly() -> None:
    _, wrong = run(range(10_000))
    assert wrong == []
