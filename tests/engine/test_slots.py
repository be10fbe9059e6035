"""At most so many steps at once, whoever is called off meanwhile."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from holdfast.engine.slots import Slots

COMING = st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 4)), max_size=12)
"""For each holder how many turns of the loop it stays, and after how many it is called off."""


@given(st.integers(1, 3), COMING)
def test_never_more_than_allowed_and_every_place_comes_back(
    count: int, coming: list[tuple[int, int | None]]
) -> None:
    asyncio.run(_hold(count, coming))


async def _hold(count: int, coming: list[tuple[int, int | None]]) -> None:
    slots, inside, served = Slots(count), set[int](), list[int]()

    async def hold(number: int, turns: int) -> None:
        if not slots.take():
            await slots.wait()
        served.append(number)
        inside.add(number)
        try:
            assert len(inside) <= count
            await _turns(turns)
        finally:
            inside.remove(number)
            slots.release()

    async def call_off(holder: asyncio.Task[None], turns: int) -> None:
        await _turns(turns)
        holder.cancel()

    holders = [asyncio.create_task(hold(*each)) for each in enumerate(turns for turns, _ in coming)]
    callers = [
        call_off(holder, after)
        for holder, (_, after) in zip(holders, coming, strict=True)
        if after is not None
    ]
    await asyncio.gather(*callers)
    ended = await asyncio.gather(*holders, return_exceptions=True)
    assert all(each is None or isinstance(each, asyncio.CancelledError) for each in ended)
    assert served == sorted(served)
    assert [slots.take() for _ in range(count + 1)] == [True] * count + [False]


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
