"""Keep what endpoints were seen not to take, and fit requests to it, try by try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Lock
from typing import cast

from holdfast.clock import Clock
from holdfast.frozen import replace
from holdfast.routing.config import ProviderConfig
from holdfast.routing.dialects.seam import Object
from holdfast.routing.providers.habits import TAKES_ALL, Habits, adapt, fitted, names_in
from holdfast.routing.providers.remembering import Known, Where, newest, read, write
from holdfast.storage.warning import warn

_SCHEMALESS = Habits(schema=False)


class Learned:
    """The habits of endpoints, by model; each counts for an hour after the last lesson.

    With a `path` it begins with what the file there says, and writes to it what it learns.
    """

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self.clock = clock
        self._path = path
        self._seen = None if path is None else _state_of(path)
        self._known: Known = {} if path is None else read(path, clock.now_ms())
        self._writing = Lock()

    def habits(self, config: ProviderConfig, model: str) -> Habits:
        """Return what is known of a model of a provider."""
        known = self._find(config, model) if self._known else None
        if known is None or known.until_ms <= self.clock.now_ms():
            return _SCHEMALESS if config.structured_output == "none" else TAKES_ALL
        if config.structured_output != "auto":  # the file may be older than the setting
            return replace(known, schema=config.structured_output != "none")
        return known

    def _find(self, config: ProviderConfig, model: str) -> Habits | None:
        return self._known.get(Where(config.name, _address(config), model))

    def of(self, config: ProviderConfig) -> dict[str, Habits]:
        """Return what was learned of a provider and counts now, by model."""
        now_ms, here = self.clock.now_ms(), (config.name, _address(config))
        return {
            where.model: habits
            for where, habits in self._known.items()
            if where[:2] == here and habits.until_ms > now_ms
        }

    async def keep(self, config: ProviderConfig, model: str, habits: Habits) -> None:
        """Count on habits from now on."""
        if news := habits.left_out - self.habits(config, model).left_out:
            warn(
                "provider %r does not take %s for the model %r: left out for an hour",
                config.name, ", ".join(sorted(news)), model,
            )  # fmt: skip
        self._known = {**self._known, Where(config.name, _address(config), model): habits}
        if self._path is not None:
            others = await asyncio.to_thread(self._write, self._path)
            self._known = {**others, **self._known}

    async def catch_up(self) -> None:
        """Learn what other processes wrote since."""
        if self._path is not None:
            others = await asyncio.to_thread(self._read_news, self._path)
            self._known = newest(self._known, others)

    def _read_news(self, path: Path) -> Known:
        state = _state_of(path)
        if state == self._seen:
            return {}
        self._seen = state
        return read(path, self.clock.now_ms())

    def _write(self, path: Path) -> Known:
        with self._writing:
            return write(path, self._known, self.clock.now_ms())


@asynccontextmanager
async def catching_up(learned: Learned, *, every: float = 60.0) -> AsyncGenerator[None]:
    """Learn what other processes do every so many seconds while the block goes on."""

    async def keep_up() -> None:
        while True:
            await learned.clock.sleep(every)
            await learned.catch_up()

    task = asyncio.create_task(keep_up())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Fitting:
    """One request on its way to an endpoint, which may refuse a part of it at each try."""

    def __init__(self, learned: Learned, config: ProviderConfig, body: Object) -> None:
        self._learned = learned
        self._config = config
        self._body = body
        self._model = cast("str", body["model"])
        self._is_news, self._is_kept = False, True
        self.habits = learned.habits(config, self._model)

    @property
    def body(self) -> Object:
        """What is sent."""
        return fitted(self._body, self.habits)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The fields of the request that are not sent."""
        return names_in(self._body, self.habits)

    def adapt(self, message: str) -> bool:
        """Leave out what a 400 complains of; false if it is nothing that could be left out."""
        changed = adapt(
            self.habits,
            message,
            self._body,
            may_drop_schema=self._config.structured_output == "auto",
            now_ms=self._learned.clock.now_ms(),
        )
        if changed is None:
            return False
        # A schema that is wrong says nothing about the schemas of other requests.
        self._is_kept = self._is_kept and "invalid schema" not in message.lower()
        self.habits, self._is_news = changed, True
        return True

    async def learn(self) -> None:
        """Keep what was left out, as the endpoint took the rest."""
        if self._is_news and self._is_kept:
            await self._learned.keep(self._config, self._model, self.habits)


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """Return what tells versions of a file apart, None if there is none."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_ino, told.st_mtime_ns, told.st_size


def _address(config: ProviderConfig) -> str:
    return config.base_url or config.prefix
