"""A span hangs below the one that is current where its block stands, however the work is handed on.

The fourteen checks of the research report, and what else went wrong elsewhere.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager

import pytest

from holdfast.clock import SystemClock
from holdfast.tracing.active import CLOSED_EARLY
from holdfast.tracing.carrying import carry
from holdfast.tracing.current import Place
from holdfast.tracing.kept import Kept
from holdfast.tracing.tracer import Link, Tracer

TRACE = "a" * 32


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def tracer(kept: Kept) -> Tracer:
    return Tracer(clock=SystemClock(), sink=kept)


@pytest.fixture
def carried() -> Iterator[None]:
    undo = carry()
    yield
    undo()


def parents(kept: Kept) -> dict[str, str | None]:
    """Return the name of each span's parent; names are unique in these tests."""
    names = {span.span_id: span.name for span in kept.spans}
    return {span.name: names.get(span.parent_id or "") for span in kept.spans}


async def leaf(tracer: Tracer, name: str) -> None:
    with tracer.span(name):
        await asyncio.sleep(0)


def sync_leaf(tracer: Tracer, name: str) -> None:
    with tracer.span(name):
        pass


async def test_tasks_of_a_gather_and_what_comes_after_it(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("top", trace_id=TRACE):
        await asyncio.gather(*(leaf(tracer, name) for name in "abc"))
        await leaf(tracer, "after")
    assert parents(kept) == dict.fromkeys(("a", "b", "c", "after"), "top") | {"top": None}


async def test_tasks_of_a_group(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("top", trace_id=TRACE):
        async with asyncio.TaskGroup() as group:
            with tracer.span("inside"):
                group.create_task(leaf(tracer, "a"))
            group.create_task(leaf(tracer, "b"))
    assert (parents(kept)["a"], parents(kept)["b"]) == ("inside", "top")


@pytest.mark.usefixtures("carried")
async def test_threads_and_executors_take_the_current_span_along(
    tracer: Tracer, kept: Kept
) -> None:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool, tracer.span("top", trace_id=TRACE):
        await asyncio.to_thread(sync_leaf, tracer, "to_thread")
        await loop.run_in_executor(None, sync_leaf, tracer, "run_in_executor")
        pool.submit(sync_leaf, tracer, "submit").result()
        thread = threading.Thread(target=sync_leaf, args=(tracer, "thread"))
        thread.start()
        thread.join()
        pool.submit(tracer.current)
    names = ("to_thread", "run_in_executor", "submit", "thread")
    assert {parents(kept)[name] for name in names} == {"top"}
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(tracer.current).result() is None


def stream(tracer: Tracer, name: str = "stream", parts: int = 2) -> Generator[int]:
    with tracer.span(name):
        for number in range(parts):
            with tracer.span(f"{name} {number}"):
                pass
            yield number


async def astream(tracer: Tracer, name: str = "stream", parts: int = 2) -> AsyncIterator[int]:
    with tracer.span(name):
        for number in range(parts):
            await leaf(tracer, f"{name} {number}")
            yield number


def test_who_consumes_a_stream_is_no_child_of_it(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("top", trace_id=TRACE):
        for number in stream(tracer):
            sync_leaf(tracer, f"consumer {number}")
        sync_leaf(tracer, "after")
    found = parents(kept)
    assert {found[name] for name in ("consumer 0", "consumer 1", "after", "stream")} == {"top"}
    assert found["stream 0"] == found["stream 1"] == "stream"


async def test_who_consumes_an_asynchronous_stream_is_no_child_of_it(
    tracer: Tracer, kept: Kept
) -> None:
    with tracer.span("top", trace_id=TRACE):
        async for number in astream(tracer):
            await leaf(tracer, f"consumer {number}")
        await leaf(tracer, "after")
    found = parents(kept)
    assert {found[name] for name in ("consumer 0", "consumer 1", "after", "stream")} == {"top"}
    assert found["stream 0"] == found["stream 1"] == "stream"


async def test_a_stream_that_is_closed_early_leaves_the_right_span(
    tracer: Tracer, kept: Kept
) -> None:
    with tracer.span("top", trace_id=TRACE):
        async with aclosing(astream(tracer)) as numbers:
            async for _ in numbers:
                await leaf(tracer, "consumer")
                break
        await leaf(tracer, "after")
    assert (parents(kept)["consumer"], parents(kept)["after"]) == ("top", "top")
    assert kept["stream"].attributes == {CLOSED_EARLY: True}
    assert kept["stream"].status == "ok"


async def test_another_task_may_close_a_stream(
    tracer: Tracer, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    with tracer.span("top", trace_id=TRACE):
        numbers = astream(tracer)
        await anext(numbers)
        await asyncio.create_task(numbers.aclose())  # type: ignore[attr-defined]
        await leaf(tracer, "after")
    assert parents(kept)["after"] == "top"
    assert kept["stream"].attributes == {CLOSED_EARLY: True}
    assert caplog.records == []


def test_a_generator_that_a_consumer_resumes_inside_a_later_span(
    tracer: Tracer, kept: Kept
) -> None:
    with tracer.span("top", trace_id=TRACE):
        numbers = stream(tracer)
        next(numbers)
        with tracer.span("later"):
            next(numbers)
            sync_leaf(tracer, "consumer")
        assert list(numbers) == []
    found = parents(kept)
    assert (found["stream 1"], found["consumer"]) == ("stream", "later")


def test_streams_may_be_consumed_in_turns(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("top", trace_id=TRACE):
        for one, two in zip(stream(tracer, "s"), stream(tracer, "t"), strict=True):
            sync_leaf(tracer, f"consumer {one} {two}")
    found = parents(kept)
    assert {found[name] for name in ("s", "t", "consumer 0 0", "consumer 1 1")} == {"top"}
    assert [found[f"{name} 1"] for name in "st"] == ["s", "t"]


def test_a_stream_within_a_stream(tracer: Tracer, kept: Kept) -> None:
    def outer() -> Iterator[int]:
        with tracer.span("outer"):
            for number in stream(tracer, "inner"):
                sync_leaf(tracer, f"outer {number}")
                yield number

    with tracer.span("top", trace_id=TRACE):
        for number in outer():
            sync_leaf(tracer, f"consumer {number}")
    found = parents(kept)
    assert (found["inner"], found["outer 1"], found["inner 1"]) == ("outer", "outer", "inner")
    assert found["consumer 1"] == "top"


def test_a_helper_made_of_a_generator_stays_current(tracer: Tracer, kept: Kept) -> None:
    @contextmanager
    def helper() -> Iterator[None]:
        with tracer.span("helper"):
            yield

    def numbers() -> Iterator[int]:
        with helper():
            sync_leaf(tracer, "numbers")
            yield 1

    def stacked() -> Iterator[int]:
        with ExitStack() as stack:
            stack.enter_context(tracer.span("stacked"))
            yield 1

    with tracer.span("top", trace_id=TRACE):
        with helper():
            sync_leaf(tracer, "inside")
        for _ in numbers():
            sync_leaf(tracer, "consumer")
        for _ in stacked():
            sync_leaf(tracer, "consumer of stacked")
    found = parents(kept)
    assert (found["inside"], found["numbers"]) == ("helper", "helper")
    assert (found["consumer"], found["consumer of stacked"]) == ("top", "top")


async def test_an_asynchronous_helper_stays_current(tracer: Tracer, kept: Kept) -> None:
    @asynccontextmanager
    async def helper() -> AsyncIterator[None]:
        await asyncio.sleep(0)
        with tracer.span("helper"):
            await asyncio.sleep(0)
            yield

    with tracer.span("top", trace_id=TRACE):
        async with helper():
            await leaf(tracer, "inside")
            await asyncio.gather(leaf(tracer, "task"))
        await leaf(tracer, "after")
    found = parents(kept)
    assert (found["inside"], found["task"], found["after"]) == ("helper", "helper", "top")


async def test_a_stream_that_waits_for_its_tasks_is_their_parent(
    tracer: Tracer, kept: Kept
) -> None:
    async def numbers() -> AsyncIterator[int]:
        with tracer.span("numbers"):
            await asyncio.gather(leaf(tracer, "a"), asyncio.to_thread(sync_leaf, tracer, "b"))
            yield 1

    with tracer.span("top", trace_id=TRACE):
        async for _ in numbers():
            pass
    assert (parents(kept)["a"], parents(kept)["b"]) == ("numbers", "numbers")


@pytest.mark.usefixtures("carried")
async def test_what_a_consumer_and_what_a_stream_begins_is_told_apart(
    tracer: Tracer, kept: Kept
) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def numbers() -> AsyncIterator[int]:
        with tracer.span("numbers"):
            tasks.append(asyncio.create_task(leaf(tracer, "of stream")))
            yield 1

    with tracer.span("top", trace_id=TRACE):
        async for _ in numbers():
            tasks.append(asyncio.create_task(leaf(tracer, "of consumer")))
            await asyncio.to_thread(sync_leaf, tracer, "thread of consumer")
        await asyncio.gather(*tasks)
    found = parents(kept)
    assert (found["of stream"], found["of consumer"]) == ("numbers", "top")
    assert found["thread of consumer"] == "top"


def test_a_generator_that_nobody_closes_ends_its_span_when_it_is_collected(
    tracer: Tracer, kept: Kept
) -> None:
    with tracer.span("top", trace_id=TRACE):
        numbers = stream(tracer)
        next(numbers)
        del numbers
        gc.collect()
        sync_leaf(tracer, "after")
    assert kept["stream"].attributes == {CLOSED_EARLY: True}
    assert parents(kept)["after"] == "top"


def test_a_span_of_a_finalizer_is_recorded_and_changes_nothing_for_others(
    tracer: Tracer, kept: Kept
) -> None:
    class Cyclic:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            with tracer.span("finalizer"):
                pass

    with tracer.span("top", trace_id=TRACE) as top:
        Cyclic()
        numbers = stream(tracer)
        next(numbers)
        around = [numbers]
        around.append(around)  # type: ignore[arg-type]
        del numbers, around
        gc.collect()
        assert tracer.current() is top
        sync_leaf(tracer, "after")
    found = parents(kept)
    assert (found["finalizer"], found["after"], found["stream"]) == ("top", "top", "top")
    assert kept["stream"].attributes == {CLOSED_EARLY: True}


def test_a_span_that_was_left_open_is_not_current_after_its_parent(
    tracer: Tracer, kept: Kept
) -> None:
    with tracer.span("top", trace_id=TRACE):
        with tracer.span("block"):
            left = tracer.span("left").__enter__()
            assert tracer.current() is left
        sync_leaf(tracer, "after")
    assert parents(kept)["after"] == "top"
    assert [span.name for span in kept.open] == ["left"]


def test_a_started_span_is_current_only_where_it_is_used(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("top", trace_id=TRACE):
        span = tracer.start("started")
        sync_leaf(tracer, "beside")
        with span.use(), span.use():
            sync_leaf(tracer, "used")
        with span:
            sync_leaf(tracer, "inside")
        sync_leaf(tracer, "after")
    found = parents(kept)
    assert [found[name] for name in ("beside", "used", "inside", "after")] == [
        "top", "started", "started", "top",
    ]  # fmt: skip


async def test_work_that_outlives_its_parent_stays_below_it(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("top", trace_id=TRACE):
        with tracer.span("short"):
            task = asyncio.create_task(leaf(tracer, "long"))
        await task
        sync_leaf(tracer, "after")
    assert (parents(kept)["long"], parents(kept)["after"]) == ("short", "top")


def test_spans_hang_below_a_remote_one(tracer: Tracer, kept: Kept) -> None:
    with tracer.under(Link("b" * 32, "c" * 16)):
        sync_leaf(tracer, "inside")
    sync_leaf(tracer, "outside")
    (span,) = kept.spans
    assert (span.trace_id, span.parent_id) == ("b" * 32, "c" * 16)


def test_work_that_outlives_what_started_it_is_a_linked_trace(tracer: Tracer, kept: Kept) -> None:
    with tracer.span("top", trace_id=TRACE) as top, tracer.detached("background"):
        sync_leaf(tracer, "inside")
    background = kept["background"]
    assert background.trace_id not in {"", TRACE}
    assert (background.parent_id, kept["inside"].trace_id) == (None, background.trace_id)
    assert [(each.trace_id, each.span_id) for each in background.links] == [(TRACE, top.span_id)]


def test_somebody_else_may_know_a_better_parent(kept: Kept) -> None:
    better: list[Link] = []

    def elsewhere(place: Place | None) -> Place | Link | None:
        return better[0] if better else place

    tracer = Tracer(clock=SystemClock(), sink=kept, elsewhere=elsewhere)
    with tracer.span("top", trace_id=TRACE):
        sync_leaf(tracer, "a")
        better.append(Link(TRACE, "d" * 16))
        sync_leaf(tracer, "b")
    assert (parents(kept)["a"], kept["b"].parent_id) == ("top", "d" * 16)
