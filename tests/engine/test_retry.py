"""When a failed step is tried again."""

from __future__ import annotations

from holdfast.engine.retry import Retry, rest_after
from holdfast.errors import BudgetExceeded, ProviderUnavailable, UsageError

THRICE = Retry(attempts=3, wait=1.0, factor=2.0, max_wait=60.0)


def test_a_provider_that_is_down_is_asked_again_until_the_tries_are_used_up() -> None:
    down = ProviderUnavailable("it is down")
    assert [rest_after(THRICE, n, down, 0.0) for n in (1, 2, 3)] == [1.0, 2.0, None]


def test_a_mistake_of_the_caller_is_never_tried_again() -> None:
    assert rest_after(THRICE, 1, UsageError("no"), 0.0) is None


def test_a_used_up_budget_is_not_tried_again_unless_others_hold_money_of_it() -> None:
    over = BudgetExceeded("the budget is used up")
    assert rest_after(THRICE, 1, over, 0.0) is None
    over.others_hold = True
    assert rest_after(THRICE, 1, over, 0.0) == 1.0
