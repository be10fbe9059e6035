"""Each budget counts what it is named after, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from anyio import fail_after

from holdfast.errors import BudgetExceeded
from holdfast.frozen import replace
from holdfast.routing.config import Budgets, RoutingConfig
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.router import Router
from holdfast.routing.seam import Account
from holdfast.testing.clock import ManualClock
from tests.routing.dispatching.test_dispatching import SAT, scripted
from tests.routing.kit import Spans, ask

DAY = 86_400
ANN = Account(run_id="r1", owner="ann", key_id="k1")
OTHERS = {
    "run": replace(ANN, run_id="r2"),
    "owner": replace(ANN, owner="ben"),
    "key": replace(ANN, key_id="k2"),
}


@asynccontextmanager
async def spending(folder: Path, budgets: Budgets) -> AsyncIterator[tuple[Router, ManualClock]]:
    clock = ManualClock()
    async with await Ledger.open(folder / "ledger.db") as ledger:
        router = Router(
            [scripted("only", *["text"] * 20)],
            Spans().tracer,
            config=RoutingConfig(budgets=budgets),
            clock=clock,
            ledger=ledger,
        )
        with fail_after(60):
            yield router, clock
        assert await ledger.check() == []


async def is_let_in(router: Router, account: Account) -> bool:
    try:
        await router.complete(ask(), account=account)
    except BudgetExceeded:
        return False
    return True


@pytest.mark.parametrize("kind", ["run", "owner", "key", "day", "total"])
async def test_a_budget_ends_at_its_limit_and_is_nobody_elses(tmp_path: Path, kind: str) -> None:
    async with spending(tmp_path, Budgets(**{f"{kind}_msat": 2 * SAT})) as (router, clock):
        assert [await is_let_in(router, ANN) for _ in range(3)] == [True, True, False]
        for name, other in OTHERS.items():
            assert await is_let_in(router, other) is (name == kind)
        clock.advance(DAY)
        assert await is_let_in(router, ANN) is (kind == "day")


async def test_who_has_no_key_and_no_run_is_under_no_budget_of_those(tmp_path: Path) -> None:
    nothing = Budgets(run_msat=1, key_msat=1, owner_msat=1)
    async with spending(tmp_path, nothing) as (router, _):
        assert await is_let_in(router, Account())
        assert not await is_let_in(router, Account(owner="ann"))
