"""Keep spans in memory, for tests and for commands that show what they have just done."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.tracing.entries import Opened
from holdfast.tracing.records.scanning import Record, records_in
from holdfast.tracing.span import Span


class Kept:
    """A sink that remembers what it was given: `spans` in the order in which they ended."""

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._spans: list[Span] = []
        self._open: dict[str, Opened] = {}
        self.put = self.spill = self._records.append

    @property
    def spans(self) -> Sequence[Span]:
        """The spans that have ended."""
        self._read()
        return list(self._spans)

    @property
    def open(self) -> Sequence[Opened]:
        """The spans that have begun and not ended, oldest first."""
        self._read()
        return tuple(self._open.values())

    def __getitem__(self, name: str) -> Span:
        """Return the last span of this name."""
        return next(span for span in reversed(self.spans) if span.name == name)

    def clear(self) -> None:
        """Forget what has ended."""
        self._read()
        self._spans.clear()

    def _read(self) -> None:
        count = len(self._records)
        data = b"".join(self._records[:count])
        del self._records[:count]
        for found in records_in(data, 0, is_over=True):
            assert isinstance(found, Record)
            entry = found.entry
            if isinstance(entry, Opened):
                self._open[entry.span_id] = entry
            elif isinstance(entry, Span):
                self._open.pop(entry.span_id, None)
                self._spans.append(entry)
