"""What requests of our own may spend: they never take what a user's request would need."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.routing.ledger.booking import day_scope
from holdfast.routing.ledger.entries import Cap, Scope
from holdfast.routing.quality.rules import QualityRules


def spare(caps: Iterable[Cap], rules: QualityRules | None, day: int) -> list[Cap]:
    """Return the caps of a check: half of each budget, and what the settings give checks a day."""
    halved = [Cap(scope=each.scope, limit_msat=each.limit_msat // 2) for each in caps]
    if rules is not None and rules.check_day_msat is not None:
        today = Scope("checks", day_scope(day).name)
        halved.append(Cap(scope=today, limit_msat=rules.check_day_msat))
    return halved
