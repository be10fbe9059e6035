"""Random programs of spans, tasks, threads and streams that know what each span is to hang below.

What is expected is handed on as an argument, by the rules of Python's own scopes: work hangs below
the span that was current where it was handed over, a stream below the span of who began to consume
it, and what a stream does outside of its own span below that of who resumes it.
"""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

from holdfast.tracing.active import ActiveSpan
from holdfast.tracing.tracer import Tracer

DEEPEST = 5


class Consumer:
    """Tells a stream in which span it is resumed."""

    def __init__(self) -> None:
        self.span: ActiveSpan | None = None


class Program:
    """One random program. `wrong` says where a span hung below the wrong one."""

    def __init__(self, tracer: Tracer, seed: int, pool: Executor) -> None:
        self.tracer = tracer
        self.chance = random.Random(seed)
        self.pool = pool
        self.wrong: list[str] = []
        self.spans = 0
        self._names = 0

    async def run(self) -> None:
        """Run it to its end."""
        with self.tracer.span("top", trace_id="a" * 32) as top:
            await self.block(top, 0)
            self.check("after all", top)

    def check(self, where: str, expected: ActiveSpan) -> None:
        current = self.tracer.current()
        if current is not expected:
            self.wrong.append(f"{where}: in {current and current.name}, not {expected.name}")

    def open(self, kind: str, expected: ActiveSpan) -> ActiveSpan:
        self._names += 1
        self.spans += 1
        span = self.tracer.span(f"{kind} {self._names}")
        if span.parent_id != expected.span_id:
            self.wrong.append(f"{span.name} is not below {expected.name}")
        return span

    async def block(self, expected: ActiveSpan, depth: int) -> None:
        """Do some random things one after the other."""
        actions: list[Callable[[ActiveSpan, int], Awaitable[None]]] = [
            self.pause, self.nested, self.tasks, self.group, self.thread, self.consume_async,
            self.turns, self.cancelled, self.helper, self.started, self.in_order,
        ]  # fmt: skip
        for _ in range(self.chance.randint(1, 3)):
            if depth >= DEEPEST:
                self.plain(expected, depth)
                continue
            action = self.chance.choice(actions)
            await action(expected, depth + 1)
            self.check(action.__name__, expected)

    def plain(self, expected: ActiveSpan, depth: int) -> None:
        """Do some random things without an event loop."""
        with self.open("plain", expected) as span:
            if depth < DEEPEST and self.chance.random() < 0.7:
                action = self.chance.choice([self.consume, self.sync_helper, self.plain])
                action(span, depth + 1)
            self.check("plain", span)
        self.check("after plain", expected)

    async def in_order(self, expected: ActiveSpan, depth: int) -> None:
        self.plain(expected, depth)

    async def pause(self, expected: ActiveSpan, depth: int) -> None:
        for _ in range(self.chance.randint(0, 3)):
            await asyncio.sleep(0)

    async def nested(self, expected: ActiveSpan, depth: int) -> None:
        with suppress(ZeroDivisionError), self.open("nested", expected) as span:
            await self.block(span, depth)
            if self.chance.random() < 0.2:
                raise ZeroDivisionError

    async def tasks(self, expected: ActiveSpan, depth: int) -> None:
        await asyncio.gather(*(self.block(expected, depth) for _ in range(2)))

    async def group(self, expected: ActiveSpan, depth: int) -> None:
        async with asyncio.TaskGroup() as group:
            with self.open("group", expected) as span:
                group.create_task(self.block(span, depth))
            group.create_task(self.block(expected, depth))

    async def thread(self, expected: ActiveSpan, depth: int) -> None:
        way = self.chance.randrange(4)
        loop = asyncio.get_running_loop()
        if way == 0:
            await asyncio.to_thread(self.plain, expected, depth)
        elif way == 1:
            await loop.run_in_executor(self.pool, self.plain, expected, depth)
        elif way == 2:
            await asyncio.wrap_future(self.pool.submit(self.plain, expected, depth))
        else:
            thread = threading.Thread(target=self.plain, args=(expected, depth))
            thread.start()
            thread.join()

    async def cancelled(self, expected: ActiveSpan, depth: int) -> None:
        async def forever(span: ActiveSpan) -> None:
            with self.open("forever", span) as own:
                await self.block(own, depth)
                await asyncio.Event().wait()

        task = asyncio.create_task(forever(expected))
        try:
            await self.pause(expected, depth)
        finally:
            task.cancel()
            await asyncio.wait([task])

    @contextmanager
    def _helped(self, expected: ActiveSpan) -> Iterator[ActiveSpan]:
        with self.open("helper", expected) as span:
            yield span

    @asynccontextmanager
    async def _helped_async(self, expected: ActiveSpan) -> AsyncIterator[ActiveSpan]:
        await asyncio.sleep(0)
        with self.open("async helper", expected) as span:
            yield span

    async def helper(self, expected: ActiveSpan, depth: int) -> None:
        if self.chance.random() < 0.5:
            async with self._helped_async(expected) as span:
                await self.block(span, depth)
        else:
            with self._helped(expected) as span:
                await self.block(span, depth)

    def sync_helper(self, expected: ActiveSpan, depth: int) -> None:
        with ExitStack() as stack:
            span = stack.enter_context(self._helped(expected))
            inner = stack.enter_context(self.open("stacked", span))
            self.plain(inner, depth)
            self.check("stack", inner)

    async def started(self, expected: ActiveSpan, depth: int) -> None:
        span = self.tracer.start("started")
        self.check("started", expected)
        try:
            with span.use():
                await self.block(span, depth)
                self.check("used", span)
        finally:
            span.end()

    def stream(self, consumer: Consumer, depth: int) -> Generator[int]:
        assert consumer.span is not None
        with self.open("stream", consumer.span) as span:
            for number in range(3):
                self.plain(span, depth)
                yield number
                self.check("stream", span)
                if self.chance.random() < 0.3 and depth < DEEPEST:
                    with self._helped(span) as inner:
                        yield number
                        self.check("helper in stream", inner)
        self.check("behind the span of a stream", consumer.span)
        yield 4
        self.plain(consumer.span, depth)

    async def async_stream(self, consumer: Consumer, depth: int) -> AsyncIterator[int]:
        assert consumer.span is not None
        with self.open("async stream", consumer.span) as span:
            for number in range(2):
                await self.block(span, depth)
                yield number
                self.check("async stream", span)
                await self.pause(span, depth)
        await self.pause(span, depth)
        self.check("behind the span of an async stream", consumer.span)
        yield 3
        self.plain(consumer.span, depth)

    def consume(self, expected: ActiveSpan, depth: int) -> None:
        consumer = Consumer()
        stream = self.stream(consumer, depth + 1)
        self._resume(stream, consumer, expected)
        for _ in range(self.chance.randint(0, 6)):
            self.check("between", expected)
            if self.chance.random() < 0.5:
                with self.open("consumer", expected) as span:
                    self._resume(stream, consumer, span)
                    self.check("consumer", span)
            else:
                self._resume(stream, consumer, expected)
        consumer.span = expected
        if self.chance.random() < 0.5:
            stream.close()
        del stream
        self.check("after a stream", expected)

    def _resume(self, stream: Generator[int], consumer: Consumer, expected: ActiveSpan) -> None:
        consumer.span = expected
        next(stream, None)

    async def consume_async(self, expected: ActiveSpan, depth: int) -> None:
        consumer = Consumer()
        stream = self.async_stream(consumer, depth + 1)
        consumer.span = expected
        await anext(stream, None)
        for _ in range(self.chance.randint(0, 4)):
            self.check("between", expected)
            with self.open("async consumer", expected) as span:
                consumer.span = span
                await anext(stream, None)
                self.check("async consumer", span)
                if self.chance.random() < 0.5:
                    await self.block(span, depth + 1)
            if self.chance.random() < 0.5:
                await asyncio.gather(self.block(expected, depth + 1))
        consumer.span = expected
        way = self.chance.randrange(3)
        if way == 0:
            await stream.aclose()  # type: ignore[attr-defined]
        elif way == 1:
            await asyncio.create_task(stream.aclose())  # type: ignore[attr-defined]
        else:
            del stream
            gc.collect(0)
            await asyncio.sleep(0)
        self.check("after an async stream", expected)

    async def turns(self, expected: ActiveSpan, depth: int) -> None:
        """Consume two streams in turns, and close the first before the second."""
        consumer = Consumer()
        streams = [self.stream(consumer, depth + 1) for _ in range(2)]
        for _ in range(self.chance.randint(1, 4)):
            for stream in self.chance.sample(streams, 2):
                self._resume(stream, consumer, expected)
                self.check("turns", expected)
        consumer.span = expected
        for stream in self.chance.sample(streams, 2):
            stream.close()
            self.check("closed", expected)
