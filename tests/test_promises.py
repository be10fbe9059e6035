"""Every promise has a test, and every test's promise exists."""

from __future__ import annotations

import re
from pathlib import Path

from tests.promises import PROMISES

MARK = re.compile(r"mark\.promise\(\s*((?:\"[^\"]+\"[,\s]*)+)\)")


def named_in_tests() -> set[str]:
    texts = (path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    marks = (group for text in texts for group in MARK.findall(text))
    return {name for group in marks for name in re.findall(r"\"([^\"]+)\"", group)}


def test_every_promise_has_a_test() -> None:
    assert set(PROMISES) - named_in_tests() == set()


def test_every_test_names_a_promise_that_exists() -> None:
    assert named_in_tests() - set(PROMISES) == set()
