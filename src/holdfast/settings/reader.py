"""Read tables of settings key by key, so that what is left over is known to be a mistake."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from holdfast.errors import SettingsError
from holdfast.frozen import field, frozen, slotted
from holdfast.settings.values import Table, as_table, suggestion

T = TypeVar("T")
_BARE_KEY = r"[A-Za-z0-9_-]+"


@slotted
class Problems:
    """What is wrong so far, and what is only worth a warning.

    `texts` are the files that were read; `elsewhere` says of settings that stand in another file than
    `holdfast.toml` in which one, and what they are called there.
    """

    sentences: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    elsewhere: dict[str, tuple[Path, str]] = field(default_factory=dict[str, tuple[Path, str]])

    def raise_all(self) -> None:
        if self.sentences:
            count = f"{len(self.sentences)} problems" if len(self.sentences) > 1 else "a problem"
            listed = "".join(f"\n  {each}" for each in self.sentences)
            raise SettingsError(f"the settings have {count}:{listed}", hint="mend them and retry")


@frozen(kw_only=False)
class Section:
    """A table of settings whose keys are taken out one by one; what is left is unknown."""

    found: Problems
    origin: str
    path: str
    table: Table
    taken: set[str] = field(default_factory=set[str])

    def take(self, key: str, check: Callable[[object], T], otherwise: T) -> T:
        """Return what `check` makes of the value of `key`; its `ValueError` is a problem."""
        self.taken.add(key)
        if key not in self.table:
            return otherwise
        try:
            return check(self.table[key])
        except ValueError as error:
            self.problem(key, str(error))
            return otherwise

    def section(self, key: str) -> Section | None:
        """Return the table at `key`, None if there is none."""
        table = self.take(key, as_table, None)
        path = f"{self.path}{quoted(key)}."
        return None if table is None else Section(self.found, self.origin, path, table)

    def problem(self, key: str, sentence: str) -> None:
        at = f"{self.path}{quoted(key)}" if key else self.path.rstrip(".")
        where = self.origin
        if text := self.found.texts.get(self.origin):
            from holdfast.settings.lines import place_of  # noqa: PLC0415 - only for mistakes

            where = place_of(self.origin, text, at)
        self.found.sentences.append(f"{where}: {at}: {sentence}")

    def refuse_rest(self) -> None:
        for key in sorted(self.table.keys() - self.taken):
            self.problem(key, f"unknown key{suggestion(key, self.taken)}")


def read_file(path: Path, found: Problems) -> Section:
    """Return the document in a file; numbers with a point are exact.

    Raises:
        SettingsError: it cannot be read, or is not TOML.
    """
    import tomllib  # noqa: PLC0415 - not every command has a file to read
    from decimal import Decimal  # noqa: PLC0415 - as above

    text = read_text(path)
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    found.texts[str(path)] = text
    return Section(found, str(path), "", table)


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        SettingsError: it cannot be read, or is no text.
    """
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text (byte {error.start})") from error


def quoted(key: str) -> str:
    """Return a key as TOML writes it."""
    return key if re.fullmatch(_BARE_KEY, key) else f'"{key}"'
