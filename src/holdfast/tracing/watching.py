"""What is told of work on traces that may take long, while it goes on."""

from __future__ import annotations

from typing import Final, Protocol


class Watch(Protocol):
    """Is told how far work has come. What it raises ends the work, of which nothing is lost."""

    def collected(self, entries: int) -> None:
        """So many more entries of rings were taken in."""
        ...

    def settled(self, done: int, total: int) -> None:
        """So many traces of so many are settled."""
        ...


class _Unwatched:
    def collected(self, entries: int) -> None:
        pass

    def settled(self, done: int, total: int) -> None:
        pass


UNWATCHED: Final[Watch] = _Unwatched()
