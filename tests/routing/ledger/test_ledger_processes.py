"""Several processes share a ledger, some of them are killed, and it adds up to the msat."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.reports import Filters
from tests.routing.ledger.kit import TOTAL

pytestmark = pytest.mark.anyio
SPENDER = Path(__file__).with_name("spender.py")
PLENTY = 10**12


class Spenders:
    """Processes that spend from one ledger, and the bill of their provider."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.bill = folder / "ledger.db", folder / "bill.txt"

    def begin(
        self, owner: str, count: int, *, cap: int = PLENTY, seed: int = 0
    ) -> subprocess.Popen:
        told = (self.ledger, self.bill, owner, count, cap, seed)
        process = subprocess.Popen(
            [sys.executable, SPENDER, *map(str, told)], stdout=subprocess.PIPE, text=True
        )
        await_lines(process, 1)
        return process

    def charges(self) -> dict[str, int]:
        if not self.bill.exists():
            return {}
        lines = self.bill.read_text().splitlines()
        return {request: int(charge) for request, charge in map(str.split, lines)}


def await_lines(process: subprocess.Popen, count: int) -> None:
    """Return when the process has said that many lines more."""
    assert process.stdout
    for _ in range(count):
        assert process.stdout.readline()


def end_well(process: subprocess.Popen) -> None:
    with process:
        assert process.wait(60) == 0


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    with process:
        process.wait(60)


async def settle_doubts(ledger: Ledger, charges: dict[str, int]) -> int:
    """Do what a person does who has the bill at hand; return how many were in doubt."""
    count = 0
    while doubts := (await ledger.requests(1, 100, filters=Filters(state="in_doubt"))).requests:
        for each in doubts:
            await ledger.resolve(each.id, charges.get(each.id, 0))
            count += 1
    return count


@pytest.mark.promise("ledger-adds-up")
async def test_processes_that_spend_at_once_add_up_and_keep_the_cap(tmp_path):
    spenders = Spenders(tmp_path)
    running = [spenders.begin(f"o{n}", 100, cap=40_000, seed=n) for n in range(3)]
    for process in running:
        end_well(process)
    async with await Ledger.open(spenders.ledger) as ledger:
        spent = await ledger.spent(TOTAL)
        assert spent.held_msat == spent.settled_msat == sum(spenders.charges().values()) <= 40_000
        assert spent.requests == len(spenders.charges()) > 0
        assert await ledger.check() == []


@pytest.mark.promise("ledger-adds-up")
async def test_what_a_killed_process_had_on_its_way_is_in_doubt_and_stays_held(tmp_path):
    spenders = Spenders(tmp_path)
    other = spenders.begin("o", 20)
    victim = spenders.begin("v", 100_000, seed=1)
    await_lines(victim, 20)
    kill(victim)
    end_well(other)
    async with await Ledger.open(spenders.ledger) as ledger:
        spent = await ledger.spent(TOTAL)
        assert spent.reserved_msat == 0
        logged = {each.id for each in (await ledger.requests(1, 100)).requests}
        assert len(logged) == 100
        doubts = await settle_doubts(ledger, spenders.charges())
        assert doubts == spent.unknown_requests <= 10
        settled = await ledger.spent(TOTAL)
        assert settled.held_msat == settled.settled_msat == sum(spenders.charges().values())
        assert await ledger.check() == []


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.promise("ledger-adds-up")
@pytest.mark.parametrize("seed", range(3))
async def test_a_thousand_requests_with_random_kills_add_up_to_the_msat(tmp_path, seed):
    spenders, chance, kills = Spenders(tmp_path), random.Random(seed), 0
    running = [spenders.begin(f"o{n}", 100_000, seed=seed * 100 + n) for n in range(3)]
    try:
        while kills < 20 or len(spenders.charges()) < 1000:
            await_lines(chance.choice(running), chance.randint(1, 8))
            kills += 1
            kill(running.pop(chance.randrange(len(running))))
            running.append(spenders.begin("o9", 100_000, seed=chance.randrange(10**6)))
    finally:
        for process in running:
            kill(process)
    async with await Ledger.open(spenders.ledger) as ledger:
        doubts = await settle_doubts(ledger, spenders.charges())
        spent, charges = await ledger.spent(TOTAL), spenders.charges()
        assert spent.held_msat == spent.settled_msat == sum(charges.values())
        assert spent.requests >= len(charges) >= 1000
        assert await ledger.check() == []
    assert doubts
