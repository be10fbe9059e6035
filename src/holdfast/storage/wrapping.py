"""A store around another one, for those that change what one verb does."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from holdfast.storage.seam import ANY, Conflict, Entry, Key, Record, Store


class WrappedStore:
    """The six verbs of `inner`. Opening and closing it is left to whoever opened that."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    @property
    def max_value_bytes(self) -> int:
        return self.inner.max_value_bytes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    async def get(self, key: Key) -> Record | None:
        return await self.inner.get(key)

    async def put(
        self,
        key: Key,
        value: bytes,
        *,
        expected: int,
        expires_at: int | None = None,
        due_at: int | None = None,
    ) -> int | Conflict:
        return await self.inner.put(
            key, value, expected=expected, expires_at=expires_at, due_at=due_at
        )

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        return await self.inner.delete(key, expected=expected)

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        return await self.inner.scan(prefix, after=after, limit=limit)

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        return await self.inner.append(log, entries, expected=expected)

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        return await self.inner.read(log, after=after, limit=limit)
