"""Do what a page of the documentation says, and compare what happens with what it shows.

Fences of a page, in their order:

- one with `title="NAME"` is written to the file NAME;
- one of the language `console` is a session. A line `$ …` is a command; the lines below it are what
  it prints, standard output and error together. In them `…` stands for anything within a line, and
  a line that is only `…` for any number of lines. Ids of runs are told apart but may be others.

Commands run without a shell: words as a shell splits them, `NAME=VALUE` in front, `cd`, `echo $?`
and `> FILE` are understood.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 60

_FENCE = re.compile(r"^```(\w+)?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')
_ID = re.compile(r"\b(?=[0-9a-f]*[0-9])(?:[0-9a-f]{32}|[0-9a-f]{8})\b")
_ASSIGNMENT = re.compile(r"([A-Z_][A-Z_0-9]*)=(.*)")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block of a page."""

    language: str
    title: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a session and what it should print."""

    line: str
    expected: tuple[str, ...]


def fences(page: Path) -> list[Fence]:
    """Return the fenced blocks of a page."""
    found = []
    for language, rest, text in _FENCE.findall(page.read_text(encoding="utf-8")):
        title = _TITLE.search(rest)
        found.append(Fence(language, title and title[1], text))
    return found


def commands(session: str) -> Iterator[Command]:
    """Yield the commands of a session."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        line, *printed = part.rstrip("\n").split("\n")
        yield Command(line, tuple(printed))


@dataclass(slots=True)
class Session:
    """A reader who types what a page says, in a folder of their own."""

    folder: Path
    home: Path
    code: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    def follow(self, page: Path) -> int:
        """Do everything that the page says; return how many commands that were."""
        count = 0
        for fence in fences(page):
            if fence.title is not None:
                path = self.folder / fence.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(fence.text, encoding="utf-8")
            elif fence.language == "console":
                for command in commands(fence.text):
                    self.expect(command)
                    count += 1
        return count

    def expect(self, command: Command) -> None:
        """Run a command and compare what it prints."""
        printed = self.run(_ID.sub(lambda found: self.ids.get(found[0], found[0]), command.line))
        lines = [line.rstrip() for line in printed.splitlines()]
        assert self.fits(command.expected, lines), (
            f"$ {command.line}\n--- the page says\n"
            + "\n".join(command.expected)
            + "\n--- it printed\n"
            + "\n".join(lines)
        )

    def run(self, line: str) -> str:
        """Run a command line and return what it printed."""
        environment = self._environment()
        words = shlex.split(line)
        while words and (assignment := _ASSIGNMENT.fullmatch(words[0])):
            environment[assignment[1]] = assignment[2]
            words.pop(0)
        if words[0] == "cd":
            self.folder /= words[1]
            return ""
        if words == ["echo", "$?"]:
            return f"{self.code}\n"
        target = words.pop() if len(words) > 2 and words[-2] == ">" else None
        words = words[:-1] if target else words
        return self._start(words, environment, target)

    def _start(
        self, words: Sequence[str], environment: Mapping[str, str], target: str | None
    ) -> str:
        programs = {"holdfast": [sys.executable, "-m", "holdfast"], "python": [sys.executable]}
        done = subprocess.run(
            [*programs.get(words[0], [words[0]]), *words[1:]],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=LIMIT_SECONDS,
            check=False,
        )
        self.code = done.returncode if done.returncode >= 0 else 128 - done.returncode
        if target is not None:
            (self.folder / target).write_text(done.stdout, encoding="utf-8")
            return ""
        return done.stdout + ("Killed\n" if done.returncode == -9 else "")

    def _environment(self) -> dict[str, str]:
        """Return a bare environment: nothing of the machine's, standard output unbuffered."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "COLUMNS": "100",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",
            "PYTHONUTF8": "1",
        }

    def fits(self, expected: Sequence[str], lines: Sequence[str]) -> bool:
        """Whether the lines are as expected; learns the ids that stand in them."""
        if not expected:
            return not lines
        if expected[0].strip() == "…":
            return any(self.fits(expected[1:], lines[skip:]) for skip in range(len(lines) + 1))
        return (
            bool(lines)
            and self._fits_line(expected[0], lines[0])
            and self.fits(expected[1:], lines[1:])
        )

    def _fits_line(self, expected: str, line: str) -> bool:
        groups: list[str] = []

        def pattern(part: str) -> str:
            if _ID.fullmatch(part) and part not in self.ids:
                groups.append(part)
                return f"([0-9a-f]{{{len(part)}}})"
            return re.escape(self.ids.get(part, part)).replace("…", ".*")

        parts = re.split(f"({_ID.pattern})", expected.rstrip())
        found = re.fullmatch("".join(map(pattern, parts)), line)
        for shown, real in zip(groups, found.groups() if found else (), strict=False):
            self.ids |= {shown: real, shown[:8]: real[:8]}
        return found is not None
