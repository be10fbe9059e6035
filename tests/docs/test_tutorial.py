"""What the documentation shows is what happens: every session in it is typed and compared."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.console import ROOT, Command, Session, fences

TUTORIAL = ROOT / "docs" / "tutorial" / "first-workflow.md"
PAGES = sorted(
    page
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if any(fence.language == "console" for fence in fences(page))
)
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


@pytest.fixture
def session(tmp_path: Path) -> Session:
    folder = tmp_path / "work"
    folder.mkdir()
    return Session(folder=folder, home=tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_is_what_happens(page: Path, session: Session) -> None:
    assert session.follow(page) > 0


def test_the_tutorial_kills_a_run_resumes_it_and_answers_a_question() -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    typed = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
    assert TUTORIAL in PAGES
    for wanted in ("holdfast init", "holdfast run", "holdfast resume", "holdfast answer"):
        assert any(wanted in line for line in typed), wanted
    assert "\nKilled\n" in text


def test_a_page_that_has_drifted_is_noticed(session: Session, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ holdfast --version\nholdfast 99\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="the page says"):
        session.follow(page)


def test_a_line_that_is_missing_or_too_many_is_noticed(session: Session) -> None:
    assert session.fits(("a", "…", "d"), ("a", "b", "c", "d"))
    assert session.fits(("it took … ms",), ("it took 12 ms",))
    assert not session.fits(("a",), ("a", "b"))
    assert not session.fits(("a", "b"), ("a",))


def test_ids_may_differ_from_those_shown_but_not_among_themselves(session: Session) -> None:
    assert session.fits(("run 0b1c2d3e",), ("run ffff0000",))
    assert session.fits(("again 0b1c2d3e",), ("again ffff0000",))
    assert not session.fits(("again 0b1c2d3e",), ("again eeee1111",))
    with pytest.raises(AssertionError, match="no run has an id"):
        session.expect(Command("holdfast show ffff0000", ()))


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_page_is_in_the_navigation() -> None:
    def pages(part: object) -> set[str]:
        if isinstance(part, str):
            return {part}
        inner = part.values() if isinstance(part, dict) else part
        return {page for each in inner for page in pages(each)}

    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    docs = ROOT / "docs"
    assert pages(site["project"]["nav"]) == {
        path.relative_to(docs).as_posix() for path in docs.rglob("*.md")
    }


def test_the_readme_has_the_block_that_is_proven_on_a_bare_machine() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n<!-- prove -->\n```sh\n./dev demo\n./dev test\n```\n" in text
