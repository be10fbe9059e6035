"""Read how the models for `model: auto` are compared, and who judges them."""

from __future__ import annotations

import re
from typing import cast

from holdfast.errors import UsageError
from holdfast.frozen import members_of
from holdfast.routing.quality.complexity import ComplexityRules, Signals
from holdfast.routing.quality.floor import Floor
from holdfast.routing.quality.rules import CHOOSERS, JUDGES, Chooser, QualityRules
from holdfast.settings.rates import Worth, take_fee
from holdfast.settings.reader import Section
from holdfast.settings.values import (
    as_names,
    as_number,
    as_one_of,
    as_share,
    as_text,
    as_whole,
    suggestion,
)

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def read_quality(section: Section | None, worth: Worth) -> QualityRules | None:
    """Return what a table says about quality, None if there is none."""
    if section is None:
        return None
    usual = QualityRules()
    chosen = QualityRules(
        chooser=section.take("chooser", as_chooser, usual.chooser),
        min_quality=section.take("min_quality", as_share, None),
        reference=section.take("reference", as_text, None),
        alpha=section.take("alpha", as_share, usual.alpha),
        check_share=section.take("check_share", as_part, usual.check_share),
        prove_share=section.take("prove_share", as_part, usual.prove_share),
        recheck_share=section.take("recheck_share", as_part, usual.recheck_share),
        judge=section.take("judge", as_judge, usual.judge),
        judge_model=section.take("judge_model", as_text, None),
        check_day_msat=take_fee(section, "check_day", worth),
        concurrent_checks=section.take("concurrent_checks", as_whole, usual.concurrent_checks),
        min_evidence=section.take("min_evidence", as_whole, usual.min_evidence),
        embedder=section.take("embedder", as_function, None),
        complexity=_complexity(section.section("complexity")),
    )
    if chosen.judge_model is not None and chosen.judge != "model":
        section.problem("judge_model", f"is not asked while judge = {chosen.judge!r}")
    try:
        Floor(alpha=chosen.alpha)
    except UsageError as error:
        section.problem("alpha", error.message)
    section.refuse_rest()
    return chosen


def _complexity(section: Section | None) -> ComplexityRules:
    usual = ComplexityRules()
    if section is None:
        return usual
    weights = section.section("weights")
    low = section.take("low", as_part, usual.low)
    high = section.take("high", as_part, usual.high)
    keywords = section.take("extra_keywords", as_names, ())
    section.refuse_rest()
    if low > high:
        section.problem("low", f"must not be above high, which is {high:g}")
        return usual
    return ComplexityRules(low=low, high=high, weights=_weights(weights), extra_keywords=keywords)


def _weights(section: Section | None) -> Signals:
    usual = Signals()
    if section is None:
        return usual
    names = [member.name for member in members_of(Signals)]
    weights = {name: section.take(name, as_weight, getattr(usual, name)) for name in names}
    section.refuse_rest()
    return Signals(**weights)


def as_chooser(value: object) -> Chooser:
    """Return how a model is chosen."""
    return cast("Chooser", as_one_of(CHOOSERS, value))


def as_judge(value: object) -> str:
    """Return who compares answers: a word, or a Python function."""
    text = as_text(value)
    if text not in JUDGES and not _FUNCTION.fullmatch(text):
        listed = ", ".join(repr(each) for each in JUDGES)
        raise ValueError(
            f"must be one of {listed}, or 'package.module:function'{suggestion(text, JUDGES)}"
        )
    return text


def as_function(value: object) -> str:
    """Return the name of a Python function."""
    text = as_text(value)
    if not _FUNCTION.fullmatch(text):
        raise ValueError("must name a Python function as 'package.module:function'")
    return text


def as_cascade(value: object) -> bool | tuple[str, ...]:
    """Return whether cheap answers are checked, or the models to ask in turn."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, list):
        raise ValueError("must be true, false, or a list of models, the first asked first")  # noqa: TRY004
    models = as_names(cast("object", value))
    if len(models) < 2 or len(set(models)) < len(models):
        raise ValueError("must list at least two different models, the first asked first")
    return models


def as_part(value: object) -> float:
    """Return a share from 0 to 1."""
    number = as_number(value)
    if not 0 <= number <= 1:
        raise ValueError("must be a share from 0 to 1")
    return number


def as_weight(value: object) -> float:
    """Return a weight, at least 0."""
    number = as_number(value)
    if number < 0:
        raise ValueError("must be a number, at least 0")
    return number
