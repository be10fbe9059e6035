"""Each command that a page, a hint or a template names is there, with the options it is named with."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from functools import cache

import pytest

from holdfast.cli.main import COMMANDS, main
from tests.docs.console import ROOT

NAMED = re.compile(r"(?:`|^\$ |^|: )holdfast ([a-z][^`\n]*)", re.MULTILINE)
VERBS = re.compile(r"one of ([\w-]+(?:,\s+[\w-]+)*)")
SOURCES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "src").rglob("*.py")),
    *sorted((ROOT / "src").rglob("*.toml")),
]


@cache
def help_of(*words: str) -> str:
    said = io.StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        main([*words, "--help"])
    return said.getvalue()


def wrong_in(text: str, *, is_page: bool) -> Iterator[str]:
    """Give the commands in a text that are not there as they are named."""
    for line in NAMED.findall(text):
        words = re.split(r"\s+#|\s\||\"", line)[0].split()
        if words[0] not in COMMANDS:
            if is_page:
                yield line
            continue
        told = help_of(words[0])
        verbs = VERBS.search(told)
        if verbs and len(words) > 1 and re.fullmatch(r"[a-z][a-z-]*", words[1]):
            if words[1] not in re.split(r",\s+", verbs[1]):
                yield line
                continue
            told = help_of(*words[:2])
        options = re.findall(r"(?<=\s)--[a-z][a-z-]*", " ".join(["", *words]))
        if any(re.search(rf"{option}(?![\w-])", told) is None for option in options):
            yield line


def test_every_command_that_is_named_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    wrong = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in SOURCES
        for line in wrong_in(path.read_text(encoding="utf-8"), is_page=path.suffix == ".md")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "line", ["holdfast lsit", "holdfast trace lsit", "holdfast task depend a --remove b"]
)
def test_a_command_that_is_not_there_is_found(line: str) -> None:
    assert list(wrong_in(f"say `{line}` here", is_page=True))
