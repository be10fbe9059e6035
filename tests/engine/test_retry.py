"""When a failed step is tried again."""

from __future__ import annotations

import pytest

from holdfast.engine.retry import Retry, rest_after
from holdfast.errors import (
    BudgetExceeded,
    ModelOutputError,
    NoProvider,
    ProviderRefused,
    ProviderUnavailable,
    UsageError,
)

THRICE = Retry(attempts=3, wait=1.0, factor=2.0, max_wait=60.0)


def test_a_provider_that_is_down_is_asked_again_until_the_tries_are_used_up() -> None:
    down = ProviderUnavailable("it is down")
    assert [rest_after(THRICE, n, down, 0.0) for n in (1, 2, 3)] == [1.0, 2.0, None]


def test_a_rest_grows_up_to_its_limit_and_is_spread_by_a_fifth_at_most() -> None:
    down, retry = ProviderUnavailable("it is down"), Retry(attempts=9, factor=3.0, max_wait=20.0)
    assert [rest_after(retry, n, down, 0.0) for n in (1, 2, 3, 4, 5)] == [1.0, 3.0, 9.0, 20.0, 20.0]
    assert rest_after(retry, 4, down, 1.0) == 24.0


def test_a_provider_is_left_alone_for_at_least_as_long_as_it_asks() -> None:
    assert rest_after(THRICE, 1, ProviderUnavailable("busy", retry_after=7.0), 0.0) == 7.0
    assert rest_after(THRICE, 2, ProviderUnavailable("busy", retry_after=0.5), 0.0) == 2.0


@pytest.mark.parametrize(
    "error", [UsageError, ProviderRefused, NoProvider, ModelOutputError, SystemExit]
)
def test_what_another_try_would_not_mend_is_not_tried_again(error: type[BaseException]) -> None:
    assert rest_after(THRICE, 1, error("no"), 0.0) is None


def test_a_used_up_budget_is_not_tried_again_unless_others_hold_money_of_it() -> None:
    over = BudgetExceeded("the budget is used up")
    assert rest_after(THRICE, 1, over, 0.0) is None
    over.others_hold = True
    assert rest_after(THRICE, 1, over, 0.0) == 1.0
