"""Threads and processes that use one trace store at once, and kills in the middle, lose nothing."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from holdfast.tracing.store.opening import open_trace_store
from tests.tracing.store.conftest import Opener
from tests.tracing.store.making import plain_digest, span, span_id, trace_id


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


def _add_from_a_process(address: str, trace: int) -> None:
    with open_trace_store(address, digester=plain_digest) as store:
        for number in range(30):
            store.add([span(trace, number)])
            store.settle(most=3)


def test_processes_that_add_and_settle_at_once_lose_nothing(address: str, reopen: Opener) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_add_from_a_process, args=(address, n)) for n in range(3)]
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
from tests.tracing.store.conftest import Opener
from tests.tracing.store.making import plain_digest, span
with open_trace_store(sys.argv[1], digester=plain_digest) as store:
    number = int(sys.argv[2])
    while True:
        store.add([span(number % 5, number)])
        print(number, flush=True)
        number += 1
        if number % 20 == 0:
            store.settle()
"""


@pytest.mark.promise("traces-survive-kills")
def test_what_was_added_survives_a_kill(address: str, reopen: Opener) -> None:
    added: set[str] = set()
    for turn in range(3):
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, address, str(1000 * turn)],
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
            added |= {span_id(number) for number in acknowledged}
            assert added <= kept
            assert sum(each.count for each in store.statistics()) == len(kept)
