"""What is wrong with a workflow file, and where: one record a problem, and one error for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.errors import WorkflowError

_FEW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to mend. `line` and `column` count from 1; `path` is the file."""

    line: int
    column: int
    message: str
    suggestion: str = ""
    path: str = "<text>"

    def __str__(self) -> str:
        """Return the line that a compiler would print: `brief.yaml:12:5: message (suggestion)`."""
        tail = f" ({self.suggestion})" if self.suggestion else ""
        return f"{self.path}:{self.line}:{self.column}: {self.message}{tail}"


class WorkflowInvalid(WorkflowError):
    """A workflow file with problems: the message lists them all, `problems` has them as records."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        unique = set(problems)
        self.problems = tuple(
            sorted(unique, key=lambda each: (each.line, each.column, each.message))
        )
        super().__init__("\n".join(str(each) for each in self.problems))


def closest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that is most like `word`, if one is like enough."""
    import difflib  # noqa: PLC0415 - only a file with a mistake needs it

    near = [each for each in choices if abs(len(each) - len(word)) <= 3]
    found = difflib.get_close_matches(word, near, n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `did you mean 'choice'?` for the choice most like `word`, or nothing."""
    near = closest(word, choices)
    return f"did you mean {near!r}?" if near else ""


def did_you_mean_or_known(word: str, choices: Iterable[str]) -> str:
    """Return the same, or all choices if nothing is like it and they are few."""
    known = list(choices)
    near = did_you_mean(word, known)
    return near if near or not 0 < len(known) <= _FEW else f"known: {', '.join(known)}"
