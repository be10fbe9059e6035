"""What it takes to open a store until the first `get` has its answer, in a fresh process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.ours.filling import key_of
from benchmarks.ours.stores import Request, answer, opened
from holdfast.storage.seam import ANY


async def measure(request: Request, folder: Path) -> Mapping[str, float]:  # noqa: ARG001
    """Return the milliseconds, those of importing the backend, and the version of a new record."""
    backend, records = request["backend"], int(request["records"])
    before_import = time.perf_counter()
    store = opened(backend, Path(request["place"]))
    begin = time.perf_counter()
    async with store:
        assert await store.get(key_of(records // 2, records))
        took = time.perf_counter() - begin
        version = await store.put(("load", "probe"), b"", expected=ANY)
        assert isinstance(version, int)
    return {
        "ms": took * 1000,
        "import_ms": (begin - before_import) * 1000,
        "version": version,
    }


if __name__ == "__main__":
    answer(measure)
