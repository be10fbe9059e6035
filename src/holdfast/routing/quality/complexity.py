"""How hard a request looks: five signals of its text, and the tier that their mean asks for.

The signals and constants are those of arbstr (`src/router/complexity.rs`), so that a configuration
for it means the same here. It is a baseline: on public data it does no better than the length of
the prompt.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final, Literal

from holdfast.errors import UsageError

Tier = Literal["local", "standard", "frontier"]
"""How able a model is held to be, from weak to strong."""

TIERS: Final[tuple[Tier, ...]] = ("local", "standard", "frontier")
KEYWORDS: Final = (
    "architect",
    "design",
    "tradeoff",
    "refactor",
    "why does",
    "compare",
    "across the codebase",
    "step by step",
    "analyze",
    "evaluate",
    "debug",
)
SHORTEST: Final = 10
"""Characters below which a text says too little: it counts as hard."""

_ENOUGH = 3  # a signal that counts things is full at three of them
_PIECE = re.compile(r"[\w/.]{3,512}")  # bounded: searching for paths in it is quadratic
_DOTTED = re.compile(r"\.\w")
"""What every path and every extension has in it: most texts have none, and are done with it."""
_PATH = re.compile(r"\b\w++(?:/\w++)++\.\w{1,5}\b")
_EXTENSION = re.compile(r"\.\b(?:rs|py|ts|js|go|java|cpp|c|h|toml|yaml|yml|json|md|sql|sh)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Five numbers: of a text, each from 0 to 1; of the rules, their weights."""

    context_length: float = 1.0
    code_blocks: float = 1.0
    multi_file: float = 1.0
    reasoning_keywords: float = 1.0
    conversation_depth: float = 1.0

    def values(self) -> tuple[float, ...]:
        """Return the five in a fixed order."""
        return (
            self.context_length,
            self.code_blocks,
            self.multi_file,
            self.reasoning_keywords,
            self.conversation_depth,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplexityRules:
    """How a score is made, and where the tiers begin.

    Raises:
        UsageError: the thresholds are not in order within 0..1, or a weight is negative.
    """

    low: float = 0.4
    high: float = 0.7
    weights: Signals = field(default_factory=Signals)
    extra_keywords: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise UsageError(
                f"the complexity thresholds {self.low!r} and {self.high!r} are not in order",
                hint="write 0 <= low <= high <= 1",
            )
        if not all(0 <= weight < math.inf for weight in self.weights.values()):
            raise UsageError(
                f"the complexity weights {self.weights.values()!r} are not all finite and >= 0",
                hint="a weight of 0 leaves a signal out",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Complexity:
    """The score of a request, from 0 to 1, the tier it asks for, and what it was made of.

    `signals` is None where nothing was measured: the text was too short or all weights are 0.
    """

    score: float
    tier: Tier
    signals: Signals | None


def measure_complexity(text: str, messages: int, rules: ComplexityRules) -> Complexity:
    """Return how hard a request looks: the weighted mean of five signals.

    `text` is the text of all messages, joined by newlines; `messages` is how many there are. A
    text of less than ten characters counts as hard (score 1), and so does any text if all weights
    are 0.
    """
    whole = sum(rules.weights.values())
    if len(text) < SHORTEST or not messages or whole == 0:
        return Complexity(score=1.0, tier="frontier", signals=None)
    signals = Signals(
        context_length=_sigmoid(0.003 * (len(text) // 4 - 1000)),
        code_blocks=min(1.0, (text.count("```") // 2) / _ENOUGH),
        multi_file=min(1.0, len(_named_files(text)) / _ENOUGH),
        reasoning_keywords=min(1.0, _count_keywords(text, rules.extra_keywords) / _ENOUGH),
        conversation_depth=_sigmoid(0.5 * (messages - 6)),
    )
    weighed = zip(signals.values(), rules.weights.values(), strict=True)
    score = min(1.0, sum(value * weight for value, weight in weighed) / whole)
    return Complexity(score=score, tier=tier_of(score, rules), signals=signals)


def tier_of(score: float, rules: ComplexityRules) -> Tier:
    """Return the tier that a score asks for; both thresholds belong to the middle one."""
    if score < rules.low:
        return "local"
    return "frontier" if score > rules.high else "standard"


def _named_files(text: str) -> set[str]:
    found: set[str] = set()
    if _DOTTED.search(text) is None:
        return found
    for piece in _PIECE.findall(text):
        if "." not in piece or _DOTTED.search(piece) is None:
            continue
        found.update(_PATH.findall(piece))
        found.update(_EXTENSION.findall(piece))
        if len(found) >= _ENOUGH:
            break
    return found


def _count_keywords(text: str, extra: tuple[str, ...]) -> int:
    """Return how many of the words there are, not more than are enough."""
    lowered, count = text.lower(), 0
    for word in (*KEYWORDS, *extra):
        count += word.lower() in lowered
        if count == _ENOUGH:
            break
    return count


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
