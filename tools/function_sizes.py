"""Keep functions short: none may pass the hard limit, and most should be far below it.

`python -m tools.function_sizes FOLDER...` exits 1 when a function is longer than `HARD_LIMIT` lines,
and warns when nine in ten are not within `USUAL_LIMIT`. A line counts from `def` to the end of the
body, docstring included; decorators do not count.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HARD_LIMIT = 50
USUAL_LIMIT = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSize:
    """Where a function stands and how many lines it has."""

    path: Path
    line: int
    name: str
    lines: int


def sizes_in(path: Path) -> Iterator[FunctionSize]:
    """Measure every function of a file, nested ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield FunctionSize(path=path, line=node.lineno, name=node.name, lines=lines)


def ninetieth_percentile(sizes: Sequence[FunctionSize]) -> int:
    """Return the length that nine in ten functions do not pass, 0 for none."""
    ordered = sorted(size.lines for size in sizes)
    return ordered[(len(ordered) * 9 - 1) // 10] if ordered else 0


def main(folders: Sequence[str]) -> int:
    """Print what is too long, and return the exit code."""
    paths = sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    sizes = [size for path in paths for size in sizes_in(path)]
    too_long = [size for size in sizes if size.lines > HARD_LIMIT]
    for size in too_long:
        print(f"{size.path}:{size.line}: {size.name} has {size.lines} lines, over {HARD_LIMIT}")
    usual = ninetieth_percentile(sizes)
    if usual > USUAL_LIMIT:
        print(f"warning: nine in ten functions have up to {usual} lines; aim at {USUAL_LIMIT}")
    print(f"{len(sizes)} functions, nine in ten within {usual} lines, {len(too_long)} too long")
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
