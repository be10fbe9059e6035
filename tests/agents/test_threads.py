"""Functions that block run beside the loop, and nobody waits for those that are given up."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from holdfast.agents.threads import call_in_thread

COLOUR = contextvars.ContextVar("colour", default="none")


async def test_a_function_has_the_context_of_its_caller_and_its_result_comes_back() -> None:
    COLOUR.set("red")

    def work(*, more: int) -> tuple[str, int, bool]:
        return COLOUR.get(), more, threading.current_thread() is threading.main_thread()

    assert await call_in_thread(work, more=3) == ("red", 3, False)


@pytest.mark.parametrize(
    ("raised", "seen"), [(ValueError("no"), ValueError), (StopIteration(7), RuntimeError)]
)
async def test_what_a_function_raises_is_raised_where_it_is_waited_for(
    raised: Exception, seen: type[Exception]
) -> None:
    def fail() -> None:
        raise raised

    with pytest.raises(seen, match=str(raised.args[0])):
        await call_in_thread(fail)


async def test_more_run_at_once_than_there_are_processors() -> None:
    all_there = threading.Barrier(40)
    calls = (call_in_thread(all_there.wait, timeout=60) for _ in range(40))
    assert len(set(await asyncio.gather(*calls))) == 40


def test_a_loop_ends_while_a_function_that_was_given_up_still_runs() -> None:
    go, ended = threading.Event(), threading.Event()

    def work() -> None:
        go.wait()
        ended.set()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call_in_thread(work), 0.01)

    asyncio.run(give_up())
    assert not ended.is_set()
    go.set()
    assert ended.wait(60)
