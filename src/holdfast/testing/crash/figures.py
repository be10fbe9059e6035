"""Gather the figures of crash tests, and print them at the end of a run of pytest."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import Any, cast

import pytest

Row = dict[str, int]
Rows = dict[str, Row]

_SKIPPED = "NOT RUN"
_TITLE = "crash kit"


class CrashFigures:
    """The figures of a run: a row of numbers for each part; a part that comes again is added."""

    def __init__(self) -> None:
        self.rows: Rows = {}
        self.skipped: dict[str, str] = {}

    def add(self, part: str, numbers: Mapping[str, int]) -> None:
        """Add numbers to a part."""
        row = self.rows.setdefault(part, {})
        for name, number in numbers.items():
            row[name] = row.get(name, 0) + number

    def skip(self, part: str, reason: str) -> None:
        """Skip the test that calls this, and say at the end of the run which part was not run."""
        self.skipped[part] = reason
        pytest.skip(f"{part} was NOT tested: {reason}")

    def merge(self, rows: Rows, skipped: Mapping[str, str]) -> None:
        """Add the figures of another process."""
        for part, row in rows.items():
            self.add(part, row)
        self.skipped.update(skipped)

    def lines(self) -> list[str]:
        """Return the figures as text, the last line as JSON."""
        told = [
            f"{part}: " + ", ".join(f"{name} {number:,}" for name, number in row.items())
            for part, row in sorted(self.rows.items())
        ]
        told += [f"{part}: {_SKIPPED}: {why}" for part, why in sorted(self.skipped.items())]
        whole = {"crash_kit": self.rows, "not_run": self.skipped}
        return [*told, json.dumps(whole, sort_keys=True)]


_FIGURES = pytest.StashKey[CrashFigures]()


def _of(config: pytest.Config) -> CrashFigures:
    return config.stash.setdefault(_FIGURES, CrashFigures())


@pytest.fixture(scope="session")
def crash_figures(pytestconfig: pytest.Config) -> CrashFigures:
    """Give the figures of this run, which are printed at its end."""
    return _of(pytestconfig)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures."""
    figures = _of(terminalreporter.config)
    if not figures.rows and not figures.skipped:
        return
    terminalreporter.section(_TITLE)
    for line in figures.lines():
        terminalreporter.line(line)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Send the figures of a worker of pytest-xdist to who prints them."""
    output = cast("dict[str, Any] | None", getattr(session.config, "workeroutput", None))
    if output is not None:
        figures = _of(session.config)
        output[_TITLE] = json.dumps([figures.rows, figures.skipped])
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the figures of a worker of pytest-xdist."""
    told = getattr(node, "workeroutput", {}).get(_TITLE)
    if told:
        _of(node.config).merge(*json.loads(told))
