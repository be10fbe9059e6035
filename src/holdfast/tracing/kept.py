"""Keep spans in memory, for tests and for commands that show what they have just done."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.tracing.active import ActiveSpan
from holdfast.tracing.span import Span


class Kept:
    """A sink that remembers what it was given: `spans` in the order in which they ended."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._open: dict[str, ActiveSpan] = {}

    def opened(self, span: ActiveSpan) -> None:
        self._open[span.span_id] = span

    def finished(self, span: ActiveSpan) -> None:
        self._open.pop(span.span_id, None)
        self.spans.append(span.recorded())

    @property
    def open(self) -> Sequence[ActiveSpan]:
        """The spans that have begun and not ended, oldest first."""
        return tuple(self._open.values())

    def __getitem__(self, name: str) -> Span:
        """Return the last span of this name."""
        return next(span for span in reversed(self.spans) if span.name == name)

    def clear(self) -> None:
        """Forget what has ended."""
        self.spans.clear()
