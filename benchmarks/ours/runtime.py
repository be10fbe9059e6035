"""Open Holdfast as the command line does, on a store in a folder, and talk to the parent."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from holdfast.app.runtime import Runtime, load_text, open_runtime
from holdfast.cli.main import collect_seldom
from holdfast.engine.seam import Program
from holdfast.settings import load_settings

Request = Mapping[str, object]


def opened(
    folder: Path, programs: Mapping[str, Program] | None = None, *, adopt: bool = False
) -> AbstractAsyncContextManager[Runtime]:
    """Open a runtime on files in `folder`, the default; what is acknowledged is on the disk."""
    store = f"files:{folder}"
    settings = load_settings(folder, environ={}, store=store, ack="disk")
    return open_runtime(settings, programs=programs, adopt=adopt)


async def start_text(runtime: Runtime, text: str, **inputs: object) -> str:
    """Start a run of a workflow that is given as text; return its id."""
    return await runtime.start_workflow(load_text(text, ""), inputs, origin="")


def bytes_below(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def answer(measure: Callable[[Request, Path], Awaitable[Mapping[str, float]]]) -> None:
    """Measure what the command line asks for, in a process like that of a command; print JSON."""
    collect_seldom()
    request = json.loads(sys.argv[1])
    print(json.dumps(asyncio.run(_measured(measure, request))))


async def _measured(
    measure: Callable[[Request, Path], Awaitable[Mapping[str, float]]], request: Request
) -> Mapping[str, float]:
    return await measure(request, Path(str(request["folder"])))
