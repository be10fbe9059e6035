"""What `get` takes in a large store and in a small one, at random keys, in turns."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.ours.filling import fill, key_of
from benchmarks.ours.stores import Request, answer, middle, opened, timed
from holdfast.storage.seam import Store

WARM_UP = 2000


async def measure(request: Request, folder: Path) -> Mapping[str, float]:  # noqa: ARG001
    """Return the median microseconds in stores of so many records; a store in memory is made."""
    backend, sizes = request["backend"], [int(each) for each in request["sizes"]]
    async with AsyncExitStack() as stack:
        stores: dict[int, Store] = {}
        for size, place in zip(sizes, request["places"], strict=True):
            stores[size] = await stack.enter_async_context(opened(backend, Path(place)))
            if backend == "memory":
                await fill(stores[size], size)
        times = await _take_turns(stores, int(request["gets"]))
    return {str(size): middle(each[WARM_UP:]) for size, each in times.items()}


async def _take_turns(stores: Mapping[int, Store], gets: int) -> dict[int, list[float]]:
    times: dict[int, list[float]] = {size: [] for size in stores}
    chosen = random.Random(gets)
    for _ in range(gets + WARM_UP):
        for size, store in stores.items():
            key = key_of(chosen.randrange(size), size)

            async def get(store: Store = store, key: tuple[str, ...] = key) -> None:
                assert await store.get(key)

            times[size].append(await timed(get))
    return times


if __name__ == "__main__":
    answer(measure)
