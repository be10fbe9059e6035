"""Threads and processes that use one trace store at once, and kills in the middle, lose nothing."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.tracing.store.opening import open_trace_store
from holdfast.tracing.store.seam import TraceStore
from tests.tracing.store.making import plain_digest, span, span_id, trace_id

Opener = Callable[[], TraceStore]


@pytest.fixture
def reopen(tmp_path: Path) -> Opener:
    return lambda: open_trace_store(f"sqlite:{tmp_path}/traces.db", digester=plain_digest)


def test_threads_that_add_at_once_lose_nothing(reopen: Opener) -> None:
    def work(trace: int) -> None:
        for number in range(40):
            store.add([span(trace, number)])
            if number % 10 == 0:
                store.settle()

    with reopen() as store:
        threads = [threading.Thread(target=work, args=(trace,)) for trace in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(store.spans(trace_id(trace))) for trace in range(6)] == [40] * 6
        assert sum(each.count for each in store.statistics()) == 240


def _add_from_a_process(path: str, trace: int) -> None:
    with open_trace_store(f"sqlite:{path}", digester=plain_digest) as store:
        for number in range(30):
            store.add([span(trace, number)])
            store.settle(most=3)


def test_processes_that_add_and_settle_at_once_lose_nothing(tmp_path: Path, reopen: Opener) -> None:
    context = multiprocessing.get_context("spawn")
    path = str(tmp_path / "traces.db")
    processes = [context.Process(target=_add_from_a_process, args=(path, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with reopen() as store:
        assert [len(store.spans(trace_id(n))) for n in range(3)] == [30] * 3
        assert sum(each.count for each in store.statistics()) == 90


_VICTIM = """
import sys
from holdfast.tracing.store.opening import open_trace_store
from tests.tracing.store.making import plain_digest, span
with open_trace_store("sqlite:" + sys.argv[1], digester=plain_digest) as store:
    number = 0
    while True:
        store.add([span(number % 5, number)])
        print(number, flush=True)
        number += 1
        if number % 20 == 0:
            store.settle()
"""


@pytest.mark.promise("traces-survive-kills")
def test_what_was_added_survives_a_kill(tmp_path: Path, reopen: Opener) -> None:
    for turn in range(3):
        (tmp_path / "traces.db").unlink(missing_ok=True)
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, str(tmp_path / "traces.db")],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
        )  # fmt: skip
        assert victim.stdout is not None
        with victim:
            acknowledged = [int(victim.stdout.readline()) for _ in range(50 + 30 * turn)]
            victim.send_signal(signal.SIGKILL)
            rest = victim.stdout.read()
        acknowledged += [int(line) for line in rest.splitlines() if rest.endswith("\n") or line]
        with reopen() as store:
            kept = {each.span_id for n in range(5) for each in store.spans(trace_id(n))}
            assert {span_id(number) for number in acknowledged} <= kept
            assert sum(each.count for each in store.statistics()) == len(kept)
        for leftover in tmp_path.glob("traces.db*"):
            leftover.unlink()
