"""Collect the problems of one file while it is read, mended and checked."""

from __future__ import annotations

from holdfast.agents.positions import Fault, Path, Positions
from holdfast.agents.problems import Problem


class Report:
    """The problems so far, and the parts that are known to be broken.

    A problem inside a broken part is a consequence of what was reported already, and is dropped.
    """

    def __init__(self, positions: Positions, file: str) -> None:
        self.problems: list[Problem] = []
        self._positions = positions
        self._file = file
        self._broken: set[Path] = set()

    def add(self, path: Path, message: str, suggestion: str = "", *, key: bool = False) -> None:
        """Add a problem at the value of `path`, or at its name if `key`."""
        if self.is_broken(path):
            return
        place = self._positions.key(path) if key else self._positions.value(path)
        self.add_fault(Fault(place, message, suggestion))

    def add_fault(self, fault: Fault) -> None:
        line, column = fault.place
        self.problems.append(
            Problem(
                line=line,
                column=column,
                message=fault.message,
                suggestion=fault.suggestion,
                path=self._file,
            )
        )

    def mark_broken(self, path: Path) -> None:
        """Report nothing more about this part."""
        self._broken.add(path)

    def is_broken(self, path: Path) -> bool:
        if not self._broken:
            return False
        return any(path[:length] in self._broken for length in range(len(path) + 1))

    def breaks_below(self, path: Path) -> bool:
        """Whether the part, something around it or something in it is broken."""
        return self.is_broken(path) or any(each[: len(path)] == path for each in self._broken)

    def has(self, path: Path) -> bool:
        """Whether the file has a value at `path`."""
        return path in self._positions.values

    def rename(self, old: Path, new: Path) -> None:
        """Let a field that was misspelt be found under its right name."""
        for places in (self._positions.keys, self._positions.values):
            if old in places:
                places[new] = places[old]
