"""What a project says about quality: how it is measured, proved and paid for. Plain records."""

from __future__ import annotations

from typing import Final, Literal

from holdfast.frozen import field, frozen
from holdfast.routing.quality.complexity import ComplexityRules

Chooser = Literal["auto", "complexity", "learned"]
CHOOSERS: Final[tuple[Chooser, ...]] = ("auto", "complexity", "learned")
JUDGES: Final = ("model", "agreement", "validity")
"""The judges that are built in; another one is a Python function, `package.module:function`."""


@frozen
class QualityRules:
    """How the models for `model: auto` are compared.

    `min_quality` and `reference` hold for requests whose policy does not say its own. `chooser` picks by
    the score of complexity, by what was learned of requests like this, or by whichever knows enough. See
    `Floor` for `alpha` and the three shares. Checks cost `check_day_msat` a day at most, and
    `concurrent_checks` are made at once. `judge_model` judges where `judge` is `model`; None is the
    reference. `embedder` names the Python function that says where texts lie, None for the built-in one.
    """

    chooser: Chooser = "auto"
    min_quality: float | None = None
    reference: str | None = None
    alpha: float = 0.05
    check_share: float = 0.02
    prove_share: float = 0.1
    recheck_share: float = 0.01
    judge: str = "model"
    judge_model: str | None = None
    check_day_msat: int | None = None
    concurrent_checks: int = 4
    min_evidence: int = 10
    embedder: str | None = None
    complexity: ComplexityRules = field(default_factory=ComplexityRules)
