"""`holdfast trace` after a burst of spans: it says what it waits for, and may be interrupted."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Iterator

import pytest

from holdfast.cli.trace.waiting import Waiting
from holdfast.testing.clock import ManualClock
from holdfast.tracing.digesting import digest_of
from holdfast.tracing.store.opening import open_trace_store
from tests.journeys.cli import COMMAND, Project
from tests.tracing.store.making import span

TRACES, SPANS = 100, 1000
SECONDS = 30


@pytest.fixture
def burst(project: Project) -> str:
    """Return the address of a store in which nothing is settled yet."""
    address = "sqlite:burst/traces.db"
    project.write("holdfast.toml", f'[tracing]\nstore = "{address}"\n')
    told = {"gen_ai.request.model": "gpt", "gen_ai.usage.input_tokens": 7}
    path = f"sqlite:{project.folder}/burst/traces.db"
    with open_trace_store(path, digester=digest_of) as store:
        for trace in range(TRACES):
            store.add([span(trace, number, attributes=told) for number in range(SPANS)])
    return path


def test_what_is_settled_shows_on_a_terminal_and_control_c_ends_it(
    project: Project, burst: str
) -> None:
    primary, secondary = pty.openpty()
    try:
        process = subprocess.Popen(
            [*COMMAND, "trace", "list"],
            cwd=project.folder,
            stdout=subprocess.PIPE,
            stderr=secondary,
        )
        os.close(secondary)
        # More than are settled in one transaction.
        shown = read_until(primary, rf"settling traces: [3-9]\d of {TRACES}")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)
        assert process.returncode == 130
        assert "Traceback" not in shown + read_until(primary, "$.")
    finally:
        os.close(primary)
    with open_trace_store(burst, digester=digest_of) as store:
        assert 0 < store.settle() < TRACES  # some were settled, and the others still can be
        assert store.state().spans == TRACES * SPANS


def read_until(terminal: int, pattern: str) -> str:
    """Return what a terminal shows until it shows `pattern`, or to its end."""
    return "".join(_read(terminal, pattern))


def _read(terminal: int, pattern: str) -> Iterator[str]:
    seen = ""
    while not re.search(pattern, seen):
        ready, _, _ = select.select([terminal], [], [], SECONDS)
        assert ready, f"{pattern!r} never came; the terminal shows:\n{seen}"
        try:
            data = os.read(terminal, 4096).decode()
        except OSError:  # its other end was closed
            return
        seen += data
        yield data


def test_nothing_is_shown_to_those_who_do_not_wait_long() -> None:
    clock, stream = ManualClock(), io.StringIO()
    waiting = Waiting(stream, clock)
    waiting.collected(500)
    waiting.settled(1, 2)
    waiting.clear()
    assert stream.getvalue() == ""


def test_one_line_is_shown_after_a_second_and_none_is_left() -> None:
    clock, stream = ManualClock(), io.StringIO()
    waiting = Waiting(stream, clock)
    waiting.collected(1500)
    clock.advance(1)
    waiting.collected(1500)
    waiting.settled(1, 2)  # too soon after the last one
    clock.advance(0.1)
    waiting.settled(2, 2)
    waiting.clear()
    assert stream.getvalue() == (
        "\r\x1b[Ktaking in what was traced: 3,000 entries\r\x1b[Ksettling traces: 2 of 2\r\x1b[K"
    )
