"""Read the evaluation files of RouteLLM (lm-sys/RouteLLM, `routellm/evals`, Apache-2.0).

`mmlu/responses/mmlu_SUBJECT.csv` and `gsm8k/gsm8k_responses.csv` have a column `prompt` and, named
by model, whether it answered well; GSM8K also has the answers. A `contaminated_prompts.jsonl`
beside them names prompts to leave out.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import UsageError

WEAK = "mixtral-8x7b-instruct-v0.1"
STRONG = "gpt-4-1106-preview"
INSIDE = ("", "evals", "routellm/evals")
_LABELS = {"True": True, "False": False, "1": True, "0": False}
_LONGEST_FIELD = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One prompt, who answered it well, and the weak model's answer where the file has it."""

    prompt: str
    weak: bool
    strong: bool
    subject: str
    answer: str | None = None


def read_folder(folder: Path) -> dict[str, list[Row]]:
    """Return the rows by data set, `mmlu` and `gsm8k`; one that is not there is left out.

    Raises:
        UsageError: neither is there, or a file is not of the form; names the file and the line.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    found: dict[str, list[Row]] = {}
    for inside in INSIDE:
        evals = folder / inside
        responses = sorted((evals / "mmlu" / "responses").glob("mmlu_*.csv"))
        maths = evals / "gsm8k" / "gsm8k_responses.csv"
        if responses and "mmlu" not in found:
            found["mmlu"] = _read(responses, evals / "mmlu")
        if maths.is_file() and "gsm8k" not in found:
            found["gsm8k"] = _read([maths], evals / "gsm8k")
    if not found:
        raise UsageError(
            f"there are no evaluation files of RouteLLM in {str(folder)!r}",
            hint="give a checkout of lm-sys/RouteLLM, or a folder with "
            "mmlu/responses/mmlu_*.csv or gsm8k/gsm8k_responses.csv in it",
        )
    return found


def _read(files: Sequence[Path], beside: Path) -> list[Row]:
    left_out = _contaminated(beside / "contaminated_prompts.jsonl")
    rows = [row for file in files for row in _rows(file) if row.prompt not in left_out]
    if not any(row.strong and not row.weak for row in rows):
        raise UsageError(
            f"in the files of {str(beside)!r} the strong model is never better than the weak one",
            hint=f"the columns {WEAK!r} and {STRONG!r} may be mixed up",
        )
    return rows


def _rows(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8", newline="") as stream:
        lines = csv.DictReader(stream)
        try:
            missing = {"prompt", WEAK, STRONG} - set(lines.fieldnames or ())
            if missing:
                raise UsageError(
                    f"{str(file)!r} has no column {min(missing)!r}",
                    hint="the file may be a pointer of git LFS, or of another version",
                )
            for cells in lines:
                yield _row(cells, file.stem.removeprefix("mmlu_"))
        except (csv.Error, UnicodeDecodeError, KeyError) as error:
            raise UsageError(
                f"{str(file)!r} cannot be read at line {lines.line_num}: {error!r}",
                hint="each line needs the prompt, and True or False for both models",
            ) from error


def _row(cells: dict[str, str], subject: str) -> Row:
    return Row(
        prompt=cells["prompt"],
        weak=_LABELS[cells[WEAK]],
        strong=_LABELS[cells[STRONG]],
        subject=subject,
        answer=cells.get(f"{WEAK}_response"),
    )


def _contaminated(file: Path) -> frozenset[str]:
    if not file.is_file():
        return frozenset()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return frozenset(json.loads(line)["eval_prompt"] for line in lines if line.strip())
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{str(file)!r} is not JSON lines with an 'eval_prompt' each: {error!r}",
            hint="fetch the file again, or remove it to keep all prompts",
        ) from error
