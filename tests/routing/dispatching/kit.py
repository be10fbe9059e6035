"""A dispatcher over providers with given prices, and a project of the command line around one."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

from holdfast.cli.main import main
from holdfast.clock import SystemClock
from holdfast.routing.breakers.board import Board
from holdfast.routing.breakers.rules import Rules
from holdfast.routing.config import Budgets, ProviderConfig, RoutingConfig
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.providers.chat import ChatProvider
from holdfast.routing.seam import Price
from holdfast.tracing.tracer import Tracer

NEVER_OPEN = Rules(failures=10**9)


def price(times: int, **members: int) -> Price:
    return Price(
        input_msat_per_million=times * 1_000_000,
        output_msat_per_million=times * 4_000_000,
        **members,
    )


@asynccontextmanager
async def leading(tmp_path, cap_msat: int | None, *prices: Price | None):
    """Give a dispatcher over the providers p0, p1, ... under one cap on everything."""
    clock = SystemClock()
    providers = [
        ChatProvider(
            ProviderConfig(name=f"p{n}", base_url="http://localhost:1/v1", models={"m": each}),
            clock=clock,
        )
        for n, each in enumerate(prices)
    ]
    async with await Ledger.open(tmp_path / "ledger.db") as ledger:
        yield Dispatcher(
            providers,
            Tracer(clock=clock),
            config=RoutingConfig(budgets=Budgets(total_msat=cap_msat)),
            clock=clock,
            board=Board(NEVER_OPEN, now_ms=clock.now_ms, jitter=lambda: 0.0),
            ledger=ledger,
        )


def say(capsys, *words: str) -> tuple[int, dict]:
    """Run a command with `--json`; return its code and its document."""
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)
