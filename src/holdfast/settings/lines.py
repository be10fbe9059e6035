"""Find the line of a key in a TOML file, for messages. `tomllib` tells none, so it is asked line by line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Final, cast

Path = tuple[str | int, ...]
_PART: Final = re.compile(r'"([^"]*)"|\[(\d+)\]|([A-Za-z0-9_-]+)')
_MOST_LINES: Final = 5_000  # a statement that never ends would be parsed as often as it has lines


def place_of(origin: str, text: str, key: str) -> str:
    """Return `FILE:LINE` of a key such as `providers."a.b".models` or `rules[0].name`, else the file."""
    parts = (match.groups() for match in _PART.finditer(key))
    path: Path = tuple(
        [int(n) if n is not None else (q if q is not None else b) for q, n, b in parts]
    )
    line = Lines(text).find(path)
    return origin if line is None else f"{origin}:{line}"


class Lines:
    """The lines of a document's keys: `("providers", "p", "models")`, or `("rules", 0)` in an array."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        table: Path = ()
        for line, said in _statements(text):
            if said.lstrip().startswith("["):
                table = self._enter(tomllib.loads(said), said.lstrip().startswith("[["))
                self._lines.setdefault(table, line)
            else:
                self._note(table, tomllib.loads(said), line)

    def find(self, path: Path) -> int | None:
        """Return the line of a key, or of the table that it is missing in, None for the document itself.

        The key of an amount may be given without its unit.
        """
        while path:
            if path in self._lines:
                return self._lines[path]
            *table, stem = path
            like = (
                n for p, n in self._lines.items() if [*p[:-1]] == table and _is_amount(p[-1], stem)
            )
            if (line := next(like, None)) is not None:
                return line
            path = path[:-1]
        return None

    def _enter(self, said: object, is_array: bool) -> Path:  # noqa: FBT001 - private
        """Return the table that a heading opens."""
        keys: list[str] = []
        while isinstance(said, Mapping) and said:
            [(key, inner)] = cast("Mapping[str, object]", said).items()
            keys.append(key)
            said = cast("list[object]", inner)[0] if isinstance(inner, list) else inner
        path: Path = ()
        for place, key in enumerate(keys):
            path = (*path, key)
            if is_array and place == len(keys) - 1:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _note(self, path: Path, said: object, line: int) -> None:
        if path:
            self._lines.setdefault(path, line)
        if isinstance(said, Mapping):
            for key, inner in cast("Mapping[str, object]", said).items():
                self._note((*path, key), inner, line)


def _is_amount(key: str | int, stem: str | int) -> bool:
    return isinstance(key, str) and isinstance(stem, str) and key.startswith(f"{stem}_")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement with the number of its first line, from 1 on."""
    begun, said = 0, ""
    for number, line in enumerate(text.splitlines()[:_MOST_LINES], 1):
        if not said and (not line.strip() or line.lstrip().startswith("#")):
            continue
        begun, said = (begun, f"{said}\n{line}") if said else (number, line)
        try:
            tomllib.loads(said)
        except tomllib.TOMLDecodeError:
            continue
        yield begun, said
        said = ""
