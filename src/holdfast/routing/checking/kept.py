"""The evidence of a project in memory, as new as its file: all work on the file is done in one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final, Self, TypeVar

from holdfast.clock import Clock
from holdfast.errors import InputError, StorageError
from holdfast.routing.quality.embedding import Embedder
from holdfast.routing.quality.evidence import Prediction
from holdfast.routing.quality.file import Answer, Asked, Checked, EvidenceFile, Heard, Known
from holdfast.routing.quality.learning import Learned
from holdfast.routing.quality.neighbours import Neighbours, Point
from holdfast.storage.warning import warn

T = TypeVar("T")
_EVERY_MS: Final = 1_000
_MOST_WAITING: Final = 500


class KeptEvidence:
    """What is known, and what is learned from now on; `learned` is what `choose_model` reads.

    What others wrote is read at most a second later than a request asks for it. A file that fails is a
    warning: what was known stays known, and nothing new is learned.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        embedder: Embedder | None = None,
        embedder_name: str | None = None,
    ) -> None:
        """`embedder_name` says whose vectors the file shall have, empty for the built-in one; None leaves it."""
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "holdfast-quality")
        self._file: EvidenceFile | None = None
        self._stamp = -1
        self._number = 0
        self._looked_ms = 0
        self._asked: list[tuple[str, int, str, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._embedder = embedder
        self._embedder_name = embedder_name
        # Only the thread reads and changes it, but for `counted`, which is replaced as a whole.
        self.learned = Learned(self._neighbours())

    async def __aenter__(self) -> Self:
        await self._run(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in [*self._tasks]:
            with suppress(StorageError):
                await task
        await self._flush()
        await self._run(self._close)
        self._thread.shutdown()

    async def predict(self, text: str) -> Mapping[str, Prediction]:
        """Return what is to be expected of each model, without holding up the event loop."""
        if not len(self.learned.neighbours):
            return {}
        try:
            return await self._run(lambda: self.learned.predict(text))
        except InputError as error:
            warn("nothing is predicted of a request: %s", error.message)
            return {}

    def refresh_soon(self) -> None:
        """Look in the background whether others have written; write what waits to be written."""
        now_ms = self._clock.now_ms()
        if now_ms - self._looked_ms < _EVERY_MS:
            return
        self._looked_ms = now_ms
        self._later(self._flush_and_refresh())

    def note_asked(self, request: str, text: str, model: str) -> None:
        """Remember that a model answered a request; it is written with the next of others."""
        self._asked.append((request, self._clock.now_ms(), text, model))
        if len(self._asked) >= _MOST_WAITING:
            self._later(self._flush())

    async def point(self, text: str) -> Point:
        """Return where a text lies."""
        return await self._run(lambda: self.learned.neighbours.point(text))

    async def learn(self, text: str, model: str, *, good: bool) -> None:
        """Take in one judged answer."""
        at_ms = self._clock.now_ms()

        def work(file: EvidenceFile) -> None:
            point = self.learned.neighbours.point(text)
            file.learn(point, model, good=good, at_ms=at_ms)

        await self._change(work)

    async def count(self, checked: Checked) -> None:
        """Take in a request that two models answered."""
        await self._change(lambda file: file.count(checked))

    async def find(self, prefix: str) -> Sequence[str]:
        """Return the ids of known requests that begin so, two at most."""
        return await self._change(lambda file: file.find(prefix)) or ()

    async def hear(self, request: str, *, good: bool) -> Heard | None:
        """Take in the word of a user; None if the request is not known."""
        await self._flush()
        at_ms = self._clock.now_ms()
        return await self._change(lambda file: file.hear(request, good=good, at_ms=at_ms))

    async def forget(self, model: str) -> int:
        """Drop all that is known of a model; return how many comparisons that were."""
        forgotten = await self._change(lambda file: self._forget(file, model))
        return forgotten or 0

    async def refresh(self) -> None:
        """Read what others wrote since."""
        await self._run(self._look)

    async def _flush_and_refresh(self) -> None:
        await self._flush()
        await self.refresh()

    async def _flush(self) -> None:
        waiting, self._asked = self._asked, []
        if waiting:
            await self._change(lambda file: file.note_asked([self._written(*e) for e in waiting]))

    def _written(self, request: str, at_ms: int, text: str, model: str) -> Asked:
        return Asked(request, at_ms, self.learned.neighbours.point(text), model)

    async def _change(self, work: Callable[[EvidenceFile], T]) -> T | None:
        """Write, and read what came of it."""

        def both() -> T | None:
            if self._file is None:
                return None
            try:
                done = work(self._file)
                self._read(self._file)
            except (StorageError, InputError) as error:
                warn("the evidence of quality is not kept: %s", error.message)
                return None
            return done

        return await self._run(both)

    def _look(self) -> None:
        if self._file is None:
            return
        try:
            if self._file.stamp() != self._stamp:
                self._read(self._file)
        except StorageError as error:
            warn("the evidence of quality cannot be read: %s", error.message)

    def _read(self, file: EvidenceFile) -> None:
        self._stamp = file.stamp()
        known: Known = file.read(self._number)
        for answer in known.answers:
            self._take_in(answer)
        self.learned.counted = known.pairs

    def _forget(self, file: EvidenceFile, model: str) -> int:
        forgotten = file.forget(model)
        self._number, self.learned.neighbours = 0, self._neighbours()
        return forgotten

    def _neighbours(self) -> Neighbours:
        return Neighbours(random=Random(0), embedder=self._embedder)  # noqa: S311 - a sample

    def _take_in(self, answer: Answer) -> None:
        self._number = answer.number
        self.learned.neighbours.learn_at(
            answer.point,
            answer.model,
            good=answer.good,
            cost_msat=answer.cost_msat,
            at=answer.at_ms,
        )

    def _open(self) -> None:
        self._file = EvidenceFile(self._path)
        if self._embedder_name is not None:
            self._file.use_embedder(self._embedder_name)
        self._read(self._file)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _later(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
