"""Rank entries by meaning: vectors of an embedder that somebody brings, compared with numpy.

Optional: `pip install holdfast[vectors]`. Words come first, because they find more: on LoCoMo a small
embedding model alone found 0.42 of the right turns among ten, words alone 0.73, and both together one
or two points more.

Vectors are kept in memory and, with a folder, in one file for each embedder, by the hash of the text;
so a text is embedded once. The file may be deleted at any time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from holdfast.errors import UsageError
from holdfast.memory.entry import Entry
from holdfast.memory.keys import FEED, read_feed
from holdfast.memory.reading import Reader
from holdfast.storage.seam import Key, Store
from holdfast.storage.texts import Question
from holdfast.storage.threads import on_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

_PAGE = 1000
_BATCH = 64
_HASH_BYTES = 32


class Embedder(Protocol):
    """What turns texts into vectors: a model, or anything else.

    `name` says which: vectors of different names are never compared. It is used in a thread.
    """

    @property
    def name(self) -> str:
        """The name of the model and of its version."""
        ...

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return one vector for each text, of any length above zero."""
        ...


class Near(NamedTuple):
    """An entry and how near it is, from -1 to 1."""

    entry: Entry
    nearness: float


class Vectors:
    """The vectors of all live entries. They follow the feed when they are asked."""

    def __init__(
        self, store: Store, reader: Reader, embedder: Embedder, *, folder: Path | None = None
    ) -> None:
        """Follow a store.

        Raises:
            UsageError: numpy is not installed.
        """
        try:
            import numpy as np  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise UsageError(
                "ranking by meaning needs numpy", hint="pip install 'holdfast[vectors]'"
            ) from error
        self._np = np
        self._store = store
        self._reader = reader
        self._embedder = embedder
        self._cache = _Cache(embedder, folder)
        self._applied = 0
        self._entries: dict[Key, Entry] = {}

    async def nearest(self, question: Question, limit: int) -> list[Near]:
        """Return the live entries that are nearest to a question and meet what it asks for."""
        await self._follow()
        wanted = [each for each in self._entries.values() if _meets(each, question)]
        if not wanted or not question.text.strip():
            return []
        texts = [question.text, *(_said(each) for each in wanted)]
        return await on_thread(partial(self._compare, texts, wanted, limit))

    async def _follow(self) -> None:
        while entries := await self._store.read(FEED, after=self._applied, limit=_PAGE):
            for parts in dict.fromkeys(read_feed(each.value).parts for each in entries):
                stored = await self._reader.by_parts(parts)
                if stored and stored.is_live:
                    self._entries[parts] = stored.entry
                else:
                    self._entries.pop(parts, None)
            self._applied = entries[-1].number

    def _compare(self, texts: Sequence[str], entries: Sequence[Entry], limit: int) -> list[Near]:
        matrix = self._cache.vectors(texts)
        nearness = matrix[1:] @ matrix[0]
        order = self._np.argsort(-nearness, kind="stable")[:limit]
        return [Near(entries[int(each)], float(nearness[int(each)])) for each in order]


class _Cache:
    """Vectors of length one, by the hash of their text."""

    def __init__(self, embedder: Embedder, folder: Path | None) -> None:
        import numpy as np  # noqa: PLC0415 - an extra

        self._np = np
        self._embedder = embedder
        name = re.sub(r"[^a-zA-Z0-9.-]+", "-", embedder.name)
        digest = sha256(embedder.name.encode()).hexdigest()[:8]
        file = f"vectors-{name[:60]}-{digest}-{embedder.dimensions}.bin"
        self._path = folder / file if folder else None
        self._rows: dict[bytes, Matrix] = self._read()

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """Return the vectors of the texts, one a row."""
        hashes = [sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        missing = {
            each: text for each, text in zip(hashes, texts, strict=True) if each not in self._rows
        }
        waiting = list(missing.items())
        for start in range(0, len(waiting), _BATCH):
            self._embed(waiting[start : start + _BATCH])
        return self._np.stack([self._rows[each] for each in hashes])

    def _embed(self, batch: Sequence[tuple[bytes, str]]) -> None:
        np = self._np
        found = np.asarray(self._embedder.embed([text for _, text in batch]), dtype=np.float32)
        if found.shape != (len(batch), self._embedder.dimensions):
            raise UsageError(
                f"the embedder {self._embedder.name!r} gave vectors of the shape {found.shape}, not "
                f"{(len(batch), self._embedder.dimensions)}",
                hint="its `embed` must return one vector of `dimensions` numbers for each text",
            )
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        unit = found / np.maximum(lengths, np.float32(1e-12))
        for (key, _), row in zip(batch, unit, strict=True):
            self._rows[key] = row
        self._append(b"".join(key + self._rows[key].tobytes() for key, _ in batch))

    def _read(self) -> dict[bytes, Matrix]:
        if self._path is None or not self._path.exists():
            return {}
        data, size = self._path.read_bytes(), self._row_bytes
        rows: dict[bytes, Matrix] = {}
        for start in range(0, len(data) - size + 1, size):
            key = data[start : start + _HASH_BYTES]
            values = data[start + _HASH_BYTES : start + size]
            rows[key] = self._np.frombuffer(values, dtype=self._np.float32)
        return rows

    def _append(self, data: bytes) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(self._path, flags, 0o600), "ab", buffering=0) as file:
            if torn := file.tell() % self._row_bytes:  # a process died within a write
                file.write(bytes(self._row_bytes - torn))
            file.write(data)

    @property
    def _row_bytes(self) -> int:
        return _HASH_BYTES + 4 * self._embedder.dimensions


def _said(entry: Entry) -> str:
    """Return the text that stands for an entry."""
    return "\n".join(each for each in (entry.key, entry.title, entry.text, entry.reason) if each)


def _meets(entry: Entry, question: Question) -> bool:
    return (
        (question.scopes is None or str(entry.namespace) in question.scopes)
        and (question.kinds is None or str(entry.kind) in question.kinds)
        and (question.since is None or entry.recorded_at >= question.since)
        and (question.before is None or entry.recorded_at < question.before)
    )
