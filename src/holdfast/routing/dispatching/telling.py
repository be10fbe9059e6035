"""Say in headers how a model was chosen, and what a cascade found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdfast.routing.quality.choices import Choice, Considered, Step


def told_of(choice: Choice, steps: Iterable[Step]) -> Mapping[str, str]:
    """Return headers: what is shown of each candidate by how many pairs, and who was asked in turn."""
    told: dict[str, str] = {}
    if choice.floor is not None:
        shown = [_shown(each) for each in choice.considered if each.floor is not None]
        told["x-holdfast-quality"] = "; ".join([f"reference {choice.reference}", *shown])[:500]
    found = [f"{each.model} {'passed' if each.passed else 'failed'}: {each.why}" for each in steps]
    if found:
        told["x-holdfast-cascade"] = "; ".join(found)[:500]
    return told


def _shown(each: Considered) -> str:
    judged = each.floor
    assert judged is not None
    of = "" if judged.needed is None else f" of {max(judged.needed, judged.evidence)}"
    return f"{each.model} {judged.standing.value} n={judged.evidence}{of}"
