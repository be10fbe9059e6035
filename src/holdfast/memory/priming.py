"""Choose what fits into a budget of characters, and name everything that does not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from holdfast.errors import UsageError
from holdfast.memory.entry import Entry, Kind
from holdfast.memory.times import format_time

MIN_BUDGET = 200
"""The fewest characters that hold the line which says what was left out."""

_DAY_MS = 86_400_000
_HALF_LIFE_DAYS = 90.0
_UNSAID = 0.8
"""The confidence of an entry of which nobody said it."""

_WEIGHTS: Mapping[Kind, float] = {
    Kind.PREFERENCE: 1.0,
    Kind.DECISION: 0.9,
    Kind.PROCEDURE: 0.8,
    Kind.FACT: 0.7,
    Kind.EPISODE: 0.4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An entry that is not in the text, and how many characters it would have taken."""

    id: str
    headline: str
    kind: Kind
    characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Primed:
    """What fits into a budget, and the receipt for it.

    `text` has at most `budget` characters and holds the entries `included`, whole. `left_out` names
    all others that were considered. `digest` is a hash of the ids of both, see `digest_of`.
    """

    text: str
    budget: int
    included: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]
    digest: str

    def covers(self, entries: Sequence[Entry]) -> bool:
        """Tell whether each of these entries is in the text or named as left out, and no other."""
        named = [each.id for each in (*self.included, *self.left_out)]
        whole = all(each.text in self.text for each in self.included)
        return whole and sorted(named) == sorted(each.id for each in entries)


def prime(
    entries: Sequence[Entry],
    budget: int,
    *,
    now: int,
    ranks: Mapping[str, int] | None = None,
    contradicted: Mapping[str, Sequence[str]] | None = None,
) -> Primed:
    """Return the best of the entries that fit into `budget` characters.

    `ranks` are the places of those that a search found (0 is the best): they come first. The others
    follow by kind, confidence and age. `contradicted` are those that others speak against.

    Raises:
        UsageError: the budget is too small to say anything in.
    """
    if budget < MIN_BUDGET:
        raise UsageError(
            f"a budget of {budget} characters holds nothing", hint=f"give at least {MIN_BUDGET}"
        )
    against = contradicted or {}
    ordered = sorted(entries, key=lambda each: _order(each, now, ranks or {}))
    texts = {each.id: render(each, against.get(each.id, ())) for each in ordered}
    included = _choose(ordered, texts, budget)
    chosen = {each.id for each in included}
    missing = [each for each in ordered if each.id not in chosen]
    summary = _summary(len(missing), Counter(each.kind for each in missing), ordered)
    return Primed(
        text="".join(texts[each.id] for each in included) + summary,
        budget=budget,
        included=tuple(included),
        left_out=tuple(
            LeftOut(
                id=each.id,
                headline=each.headline,
                kind=each.kind,
                characters=len(texts[each.id]),
            )
            for each in missing
        ),
        digest=digest_of(ordered),
    )


def _choose(ordered: Sequence[Entry], texts: Mapping[str, str], budget: int) -> list[Entry]:
    """Return what fits, the best first, beside the line that says what was left out."""
    whole = sum(len(texts[each.id]) for each in ordered)
    if whole + len(_summary(0, {}, ordered)) <= budget:
        return list(ordered)
    kinds = Counter(each.kind for each in ordered)
    left = budget - len(_summary(len(ordered), kinds, ordered))
    included: list[Entry] = []
    for entry in ordered:
        if len(texts[entry.id]) <= left:
            included.append(entry)
            left -= len(texts[entry.id])
    return included


def digest_of(entries: Sequence[Entry]) -> str:
    """Return a hash of the ids of entries, the same in any order."""
    return sha256("\n".join(sorted(each.id for each in entries)).encode()).hexdigest()[:16]


def render(entry: Entry, against: Sequence[str] = ()) -> str:
    """Return an entry as a section of Markdown."""
    said = entry.provenance
    about = [f"{entry.kind} {entry.id[:8]}", str(entry.namespace)]
    about += [str(entry.standing)] if entry.standing else []
    about += [f"recorded {format_time(entry.recorded_at)[:10]}"]
    about += [f"by {said.by}"] if said.by else []
    about += [f"confidence {said.confidence:g}"] if said.confidence is not None else []
    about += [f"CONTRADICTED by {', '.join(each[:8] for each in against)}"] if against else []
    lines = [f"## {entry.headline}", f"({'; '.join(about)})", entry.text]
    lines += [f"Reason: {entry.reason}"] if entry.reason else []
    lines += [f"Instead of: {'; '.join(entry.alternatives)}"] if entry.alternatives else []
    return "\n".join(lines) + "\n\n"


def _order(entry: Entry, now: int, ranks: Mapping[str, int]) -> tuple[float, float, str]:
    confidence = entry.provenance.confidence
    age = max(now - entry.recorded_at, 0) / _DAY_MS
    worth = _WEIGHTS[entry.kind] * (_UNSAID if confidence is None else confidence)
    worth *= 0.5 ** (age / _HALF_LIFE_DAYS)
    return (ranks.get(entry.id, float("inf")), -worth, entry.id)


def _summary(missing: int, kinds: Mapping[Kind, int], entries: Sequence[Entry]) -> str:
    if not entries:
        return "(nothing is remembered yet)\n"
    if not missing:
        return f"(all of {len(entries)} entries; {digest_of(entries)})\n"
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()) if count)
    return (
        f"(left out: {missing} of {len(entries)} entries: {counts}; receipt {digest_of(entries)})\n"
    )
