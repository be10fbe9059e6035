"""The current span goes along into other processes, and what is changed behaves as before."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import SystemClock
from holdfast.frozen import replace
from holdfast.tracing import current
from holdfast.tracing.carrying import adopt_from, carry
from holdfast.tracing.kept import Kept
from holdfast.tracing.propagation import Carried, PassingOn, tell
from holdfast.tracing.propagation import current as current_carried
from holdfast.tracing.traceparent import VARIABLE, read_traceparent, write_traceparent
from holdfast.tracing.tracer import Link, Tracer

TRACE = "a" * 32
TELL = f"import os; print(os.environ.get({VARIABLE!r}, ''))"


@pytest.fixture
def tracer() -> Tracer:
    return Tracer(clock=SystemClock(), sink=Kept())


@pytest.fixture
def carried() -> Iterator[None]:
    undo = carry()
    yield
    undo()


@pytest.fixture
def adopted() -> Iterator[None]:
    yield
    current.adopt(None)
    tell(Carried())


def current_here() -> Link | None:
    """Return what is current in this process, for tests to call in another one."""
    return Tracer(clock=SystemClock(), sink=Kept()).current_link()


def told(*arguments: object, **named: object) -> str:
    command = [sys.executable, "-c", TELL]
    return subprocess.run(
        command, *arguments, capture_output=True, text=True, check=True, **named
    ).stdout.strip()  # type: ignore[call-overload]


@pytest.mark.usefixtures("carried")
def test_a_child_finds_its_parent_in_its_environment(
    tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert told() == ""
    with tracer.span("top", trace_id=TRACE) as span:
        line = write_traceparent(span.address)
        assert told() == line == f"00-{TRACE}-{span.span_id}-01"
        assert told(env={**os.environ, "X": "1"}) == line
        assert told(env={**os.environ, VARIABLE: "of somebody"}) == "of somebody"
        monkeypatch.setenv(VARIABLE, "inherited")
        assert told(env=dict(os.environ)) == line
    assert VARIABLE not in {**os.environ} or os.environ[VARIABLE] == "inherited"


TELL_ALL = (
    "import json, os; print(json.dumps([os.environ.get(n) for n in ('TRACESTATE', 'BAGGAGE')]))"
)


@pytest.mark.usefixtures("carried", "adopted")
def test_a_child_finds_the_state_of_its_trace_and_baggage(
    tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(**named: object) -> object:
        command = [sys.executable, "-c", TELL_ALL]
        done = subprocess.run(command, capture_output=True, check=True, **named)  # type: ignore[call-overload]
        return json.loads(done.stdout)

    monkeypatch.setenv("TRACESTATE", "old=1")
    carried = Carried(link=Link(TRACE, "b" * 16), state="k=v", baggage="user=1")
    with PassingOn(carried):
        with tracer.span("of it", trace_id=TRACE):
            assert found() == ["k=v", "user=1"]
            assert found(env={**os.environ, "BAGGAGE": "mine=1"}) == ["k=v", "mine=1"]
            assert found(env={**os.environ, VARIABLE: "other"}) == ["old=1", None]
        with tracer.span("of another", trace_id="c" * 32):
            assert found() == [None, "user=1"]  # a state goes no further than its trace
    lines = {VARIABLE: f"00-{TRACE}-{'b' * 16}-01", "TRACESTATE": "k=w", "BAGGAGE": "user=2"}
    adopt_from(lines)
    with tracer.span("below"):
        assert found() == ["k=w", "user=2"]


def tell_all() -> Carried:
    return current_carried()


@pytest.mark.usefixtures("carried")
def test_executors_take_state_and_baggage_along(tracer: Tracer) -> None:
    carried = Carried(link=Link(TRACE, "b" * 16), state="k=v", baggage="user=1")
    with (
        ThreadPoolExecutor(1) as threads,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes,
        tracer.span("top", trace_id=TRACE) as span,
    ):
        for pool in (threads, processes):
            with PassingOn(carried):
                found = pool.submit(tell_all).result()
            assert found == replace(carried, link=span.address)
            assert pool.submit(tell_all).result().baggage == ""


@pytest.mark.usefixtures("carried")
async def test_a_child_of_an_event_loop_does_too(tracer: Tracer) -> None:
    with tracer.span("top", trace_id=TRACE) as span:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", TELL, stdout=subprocess.PIPE
        )
        out, _ = await child.communicate()
    assert out.decode().strip() == write_traceparent(span.address)


CHILD = """
import json, os
from holdfast.clock import SystemClock
from holdfast.tracing.carrying import adopt_from
from holdfast.tracing.kept import Kept
from holdfast.tracing.tracer import Tracer
adopt_from(os.environ)
kept = Kept()
with Tracer(clock=SystemClock(), sink=kept).span("of child"):
    pass
print(json.dumps([kept.spans[0].trace_id, kept.spans[0].parent_id]))
"""


@pytest.mark.usefixtures("carried")
def test_a_child_hangs_its_spans_below_its_parent(tracer: Tracer) -> None:
    with tracer.span("top", trace_id=TRACE) as span:
        out = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, check=True).stdout
    assert json.loads(out) == [TRACE, span.span_id]


@pytest.mark.usefixtures("adopted")
def test_what_is_no_parent_is_not_adopted(tracer: Tracer) -> None:
    assert adopt_from({}) is None
    assert adopt_from({VARIABLE: "rubbish"}) is None
    assert tracer.current_link() is None
    parent = Link("b" * 32, "c" * 16)
    assert adopt_from({VARIABLE: write_traceparent(parent)}) == parent
    assert tracer.current_link() == parent
    with tracer.span("child") as span:
        assert (span.trace_id, span.parent_id) == parent


def send_current(pipe: object) -> None:
    pipe.send(current_here())  # type: ignore[attr-defined]


@pytest.mark.usefixtures("carried")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_of_multiprocessing_hangs_below_who_started_it(
    tracer: Tracer, method: str
) -> None:
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    with tracer.span("top", trace_id=TRACE) as span:
        process = context.Process(target=send_current, args=(there,))
        process.start()
        assert here.recv() == span.address
        process.join()
    process.close()


@pytest.mark.usefixtures("carried")
def test_each_call_of_a_pool_of_processes_hangs_below_its_own_span(tracer: Tracer) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        for _ in range(2):
            with tracer.span("top", trace_id=TRACE) as span:
                assert pool.submit(current_here).result() == span.address


@pytest.mark.usefixtures("carried")
def test_a_thread_of_a_pool_forgets_the_span_it_was_started_in(tracer: Tracer) -> None:
    seen: list[object] = []
    with ThreadPoolExecutor(1, initializer=lambda: seen.append(tracer.current())) as pool:
        with tracer.span("top", trace_id=TRACE) as span:
            assert pool.submit(tracer.current).result() is span
        assert pool.submit(tracer.current).result() is None
    assert seen == [None]


def test_what_was_patched_can_be_put_back() -> None:
    before = (threading.Thread.start, subprocess.Popen.__init__, ThreadPoolExecutor.submit)
    carry()()
    after = (threading.Thread.start, subprocess.Popen.__init__, ThreadPoolExecutor.submit)
    assert before == after


@pytest.mark.usefixtures("carried")
def test_results_and_errors_of_carried_work_are_its_own(tracer: Tracer) -> None:
    with ThreadPoolExecutor(1) as pool, tracer.span("top", trace_id=TRACE):
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()
        seen: list[str] = []
        thread = threading.Thread(target=seen.append, args=("ran",), name="mine")
        thread.start()
        thread.join()
        assert (seen, thread.name) == (["ran"], "mine")


hexadecimal = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(hexadecimal, hexadecimal)
def test_a_line_comes_back_as_the_link_that_it_was(trace: str, span: str) -> None:
    link = Link(trace, span[:16])
    line = write_traceparent(link)
    assert (
        (read_traceparent(line) == link)
        if line
        else (set(trace) == {"0"} or set(span[:16]) == {"0"})
    )


@pytest.mark.parametrize(
    ("line", "is_valid"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", True),
        (f" 00-{'a' * 32}-{'b' * 16}-00\n", True),
        (f"cc-{'a' * 32}-{'b' * 16}-01-more", True),
        (f"00-{'a' * 32}-{'b' * 16}-01-more", False),
        (f"ff-{'a' * 32}-{'b' * 16}-01", False),
        (f"00-{'A' * 32}-{'b' * 16}-01", False),
        (f"00-{'0' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'0' * 16}-01", False),
        (f"00-{'a' * 31}-{'b' * 16}-01", False),
    ],
)
def test_only_what_the_specification_allows_is_read(line: str, is_valid: bool) -> None:
    assert (read_traceparent(line) is not None) == is_valid
