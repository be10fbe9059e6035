"""The records of a choice for `model: auto`: what is asked, what may be chosen, what was found."""

from __future__ import annotations

from typing import Literal

from holdfast.frozen import NamedTuple, field, frozen
from holdfast.routing.quality.complexity import Complexity, ComplexityRules, Tier
from holdfast.routing.quality.evidence import Contest
from holdfast.routing.quality.floor import Floor, Judgement

Strategy = Literal["complexity", "learned", "cascade", "auto"]
"""How candidates come into question for a request."""


@frozen
class Facts:
    """What is known of a request before it is sent.

    `text` is the text of all messages joined by newlines. `complexity` is the caller's own word,
    which replaces the measured score. `request_id` decides whether the request is one of those
    that are checked; without one it is not. `is_checkable` says that its answer can be checked by itself.
    """

    text: str
    messages: int = 1
    complexity: Literal["low", "medium", "high"] | None = None
    request_id: str | None = None
    is_checkable: bool = False


class ModelOption(NamedTuple):
    """A model that may be asked, and what this request is expected to cost there in msat."""

    model: str
    tier: Tier = "standard"
    cost_msat: int | None = None


@frozen
class ChoicePolicy:
    """How a model is chosen. `name` is that of the policy: proofs hold for its own requests.

    `reference` is the model that others are measured by: where it is None, the dearest of the
    highest tier. `floor` of None asks for no proof. `learned` takes candidates that were judged on
    at least `min_evidence` requests like this one and are predicted to reach `learned_share` of
    the reference (the floor's share, if there is a floor).
    """

    name: str = ""
    strategy: Strategy = "complexity"
    reference: str | None = None
    floor: Floor | None = field(default_factory=Floor)
    complexity: ComplexityRules = field(default_factory=ComplexityRules)
    min_evidence: int = 10
    learned_share: float = 0.97


class Considered(NamedTuple):
    """One candidate and what was found. `rejected` is None for the chosen one only.

    `expected_cost_msat` is None where the price is unknown; in a cascade it has the reference's
    cost in it as often as the answer is expected to fail. `quality` and `evidence` are the
    prediction for requests like this one, `floor` what the checks of this candidate say.
    """

    model: str
    tier: Tier
    expected_cost_msat: int | None
    quality: float | None
    evidence: int
    floor: Judgement | None
    rejected: str | None


@frozen
class Choice:
    """The model to ask, why, and every candidate.

    `then` are the models to ask in turn if the answer fails its check (cascades only). `check` is a
    second model that this request is also to be sent to, None for most requests; the judged pair is
    then counted under `contests`. In a cascade the candidate's answer is that of the whole cascade: it is
    good if the one that passed the check, or the one asked after it, is.
    """

    model: str
    why: str
    strategy: Strategy
    reference: str
    complexity: Complexity
    considered: tuple[Considered, ...]
    expected_cost_msat: int | None
    then: tuple[str, ...] = ()
    check: str | None = None
    contests: tuple[Contest, ...] = ()
    floor: Floor | None = None


class Step(NamedTuple):
    """One model of a cascade that was asked: whether its answer was taken, and why."""

    model: str
    passed: bool
    why: str
