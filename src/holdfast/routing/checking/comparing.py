"""Get the second answer to a request, and say how the candidate did against the reference."""

from __future__ import annotations

from holdfast.frozen import NamedTuple, frozen, replace
from holdfast.ids import new_run_id
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.dispatching.overseeing import Answered
from holdfast.routing.quality.checks import run_check
from holdfast.routing.quality.choices import Choice
from holdfast.routing.quality.file import Judged
from holdfast.routing.quality.judging import Case, Judge, Ruling
from holdfast.routing.seam import Account


class Said(NamedTuple):
    """The answer of a model and what it cost."""

    model: str
    text: str
    cost_msat: int | None


@frozen
class Compared:
    """What was said of candidate and reference, and what is learned of each model's own answer."""

    ruling: Ruling
    judged: tuple[Judged, ...]


async def compare(answered: Answered, choice: Choice, judge: Judge) -> Compared | None:
    """Ask the second model, and return what the judge says; None if it says nothing.

    Raises:
        HoldfastError: the second model or the judge could not be asked.
    """
    candidate = choice.contests[0].candidate
    served = Said(answered.model, answered.text, answered.cost_msat)
    if choice.then and answered.model != choice.model:
        # The cascade turned to the reference already: both ways have the same end.
        return await _same_end(answered, candidate, served)
    other = await _ask_other(answered, choice)
    cheap, dear = (other, served) if other.model == candidate else (served, other)
    check = answered.wanted.check
    if choice.strategy == "cascade" and check is not None:
        verdict = await run_check(check, answered.ask.text, cheap.text)
        if not verdict.passed:
            return await _same_end(answered, candidate, dear)
    case = Case(question=answered.ask.text, candidate=cheap.text, reference=dear.text, check=check)
    ruling = await judge(case)
    if ruling is None:
        return None
    return Compared(
        ruling=ruling,
        judged=(
            Judged(cheap.model, ruling.candidate, cheap.cost_msat),
            Judged(dear.model, ruling.reference, dear.cost_msat),
        ),
    )


def ask_for(answered: Answered, model: str, purpose: str) -> Ask:
    """Return a request of our own under the policy of the user's: it goes nowhere else, and costs it nothing."""
    ask, policy = answered.ask, answered.wanted.policy.name
    return replace(
        ask,
        id=str(new_run_id()),
        model=model,
        policy=policy or None,
        account=Account(),
        opening=(answered.id, purpose),
        request_class=purpose,
        purpose="judge" if purpose == "judge" else "check",
        note=f"checks {answered.id}",
        stream=False,
        first=None,
        predicted=None,
    )


async def _ask_other(answered: Answered, choice: Choice) -> Said:
    assert choice.check is not None
    text, cost = await answered.again(ask_for(answered, choice.check, "check"))
    return Said(choice.check, text, cost)


async def _same_end(answered: Answered, candidate: str, dear: Said) -> Compared:
    """A cascade gives the reference's answer where the candidate's fails: as good as that one is."""
    good = True
    if answered.wanted.check is not None:
        good = (await run_check(answered.wanted.check, answered.ask.text, dear.text)).passed
    ruling = Ruling(candidate=good, reference=good, why="the cascade turned to the reference")
    judged = (
        Judged(candidate, good=False, cost_msat=None),
        Judged(dear.model, good, dear.cost_msat),
    )
    return Compared(ruling=ruling, judged=judged)
