"""A process that spends: `python spender.py LEDGER BILL OWNER REQUESTS CAP SEED`.

It writes what each request was charged into BILL before it settles, as a provider would bill it, and
says a line when it begins and after every ten requests.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from holdfast.ids import new_run_id
from holdfast.routing.ledger.entries import (
    OK,
    Attempt,
    Cap,
    CapReached,
    RequestEnd,
    RequestStart,
    Scope,
)
from holdfast.routing.ledger.ledger import Ledger


async def ask(ledger: Ledger, bill: int, owner: str, cap: int, chance: random.Random) -> None:
    most = chance.randint(1, 900)
    start = RequestStart(id=new_run_id(), at_ms=0, model="m", owner=owner)
    held = await ledger.reserve(start, most, [Cap(scope=Scope("total"), limit_msat=cap)])
    if isinstance(held, CapReached):
        return
    charges = [chance.randint(0, most // 2) for _ in range(chance.randint(1, 2))]
    os.write(bill, f"{start.id} {sum(charges)}\n".encode())
    await asyncio.sleep(0)
    calls = tuple(
        Attempt(provider="p", model="m", outcome=OK, charged_msat=charge) for charge in charges
    )
    await ledger.settle(held, RequestEnd(outcome=OK, attempts=calls, provider="p", model="m"))


async def spend(path: str, bill: str, owner: str, count: int, cap: int, seed: int) -> None:
    chance = random.Random(seed)
    handle = os.open(Path(bill), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with await Ledger.open(path) as ledger:
        for done in range(0, count, 10):
            os.write(1, b"%d\n" % done)
            await asyncio.gather(*(ask(ledger, handle, owner, cap, chance) for _ in range(10)))


if __name__ == "__main__":
    ledger, bill, owner, count, cap, seed = sys.argv[1:]
    asyncio.run(spend(ledger, bill, owner, int(count), int(cap), int(seed)))
