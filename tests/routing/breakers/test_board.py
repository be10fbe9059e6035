"""The board: one probe among a thousand, hosts and models, early probes, what is told to others."""

from __future__ import annotations

import asyncio

import pytest
from anyio import fail_after

from holdfast.routing.breakers.board import Board, Place
from holdfast.routing.breakers.rules import Circuit, Rules
from holdfast.routing.faults import Fault
from holdfast.testing.clock import ManualClock

HERE, SIBLING = Place("node", "k", "m"), Place("node", "k", "n")
ELSEWHERE = Place("node", "other key", "m")
RULES = Rules(jitter=0.0)


class Kit:
    """A board, its clock, and the changes that it told."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.clock = ManualClock()
        self.told: list[dict[Place, Circuit]] = []
        self.board = Board(
            rules,
            now_ms=self.clock.now_ms,
            jitter=lambda: 0.0,
            changed=lambda circuits: self.told.append(dict(circuits)),
        )

    def fail(self, fault: Fault = Fault.SERVER, place: Place = HERE, times: int = 3) -> None:
        for _ in range(times):
            permit = self.board.acquire(place)
            assert permit is not None
            permit.fail(fault)

    def is_ready(self, place: Place = HERE) -> bool:
        return self.board.judge(place).ready


@pytest.fixture
def kit() -> Kit:
    return Kit()


async def test_of_a_thousand_that_come_at_once_exactly_one_probes(kit: Kit):
    kit.fail()
    kit.clock.advance(30)
    answer, all_came, probes, refused = asyncio.Event(), asyncio.Event(), 0, 0

    async def come() -> None:
        nonlocal probes, refused
        permit = kit.board.acquire(HERE)
        if permit is None:
            refused += 1
            if refused == 999:
                all_came.set()
            return
        probes += permit.is_probe
        await answer.wait()
        permit.succeed()

    with fail_after(60):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(come()) for _ in range(1000)]
            await all_came.wait()
            assert kit.board.judge(HERE).probing
            answer.set()
    assert (probes, refused, len(tasks)) == (1, 999, 1000)
    assert kit.is_ready()


async def test_whoever_waits_is_woken_by_the_outcome_of_the_probe(kit: Kit):
    kit.fail()
    kit.clock.advance(30)
    permit = kit.board.acquire(HERE)
    assert permit is not None
    waiters = [kit.board.next_change() for _ in range(10)]
    permit.succeed()
    with fail_after(60):
        await asyncio.gather(*waiters)


def test_a_permit_that_is_given_back_goes_to_the_next_one(kit: Kit):
    kit.fail()
    kit.clock.advance(30)
    for _ in range(5):
        permit = kit.board.acquire(HERE)
        assert permit is not None
        assert kit.board.acquire(HERE) is None
        permit.release()
        permit.fail(Fault.SERVER)  # too late to count
    assert kit.is_ready()


def test_a_holder_that_left_gives_its_permit_back(kit: Kit):
    kit.fail()
    kit.clock.advance(30)
    permit = kit.board.acquire(HERE)
    assert permit is not None
    permit.fail(Fault.LEFT)
    assert kit.is_ready()


def test_a_holder_that_never_returns_loses_its_permit_at_the_deadline(kit: Kit):
    kit.fail()
    kit.clock.advance(30)
    lost = kit.board.acquire(HERE)
    kit.clock.advance(RULES.permit_ms / 1000 - 0.001)
    assert kit.board.acquire(HERE) is None
    kit.clock.advance(0.001)
    permit = kit.board.acquire(HERE)
    assert lost is not None
    assert permit is not None
    lost.fail(Fault.SERVER)
    permit.succeed()
    assert kit.is_ready()


@pytest.mark.parametrize("fault", [Fault.SERVER, Fault.IDLE, Fault.MALFORMED, Fault.MODEL])
def test_a_model_that_fails_says_nothing_about_its_siblings(kit: Kit, fault: Fault):
    kit.fail(fault, times=1 if fault is Fault.MODEL else 3)
    assert [kit.is_ready(each) for each in (HERE, SIBLING, ELSEWHERE)] == [False, True, True]


@pytest.mark.parametrize("fault", [Fault.CONNECT, Fault.AUTH, Fault.PAYMENT])
def test_a_host_or_a_key_that_fails_takes_all_its_models_along(kit: Kit, fault: Fault):
    kit.fail(fault, times=3 if fault is Fault.CONNECT else 1)
    assert [kit.is_ready(each) for each in (HERE, SIBLING, ELSEWHERE)] == [False, False, True]


def test_a_model_that_fails_shows_that_its_host_can_be_reached(kit: Kit):
    kit.fail(Fault.CONNECT, times=2)
    kit.fail(Fault.SERVER, times=1)
    kit.fail(Fault.CONNECT, times=2)
    assert kit.is_ready(SIBLING)


def test_a_probe_of_a_host_that_meets_a_failing_model_frees_the_host(kit: Kit):
    kit.fail(Fault.CONNECT)
    kit.clock.advance(30)
    kit.fail(Fault.SERVER, times=1)
    assert kit.is_ready(SIBLING)


def test_an_answer_that_begins_too_late_counts_against_the_model():
    kit = Kit(Rules(slow_ms=100, jitter=0.0))
    for _ in range(3):
        permit = kit.board.acquire(HERE)
        assert permit is not None
        permit.succeed(101)
    assert kit.board.judge(HERE).reason == "first_byte"
    assert kit.is_ready(SIBLING)


def test_an_early_probe_is_granted_once_a_second_at_most(kit: Kit):
    kit.fail()
    for second in range(3):
        permit = kit.board.acquire(HERE, early=True)
        assert permit is not None, second
        permit.fail(Fault.SERVER)
        kit.clock.advance(0.999)
        assert kit.board.acquire(HERE, early=True) is None
        kit.clock.advance(0.001)


def test_models_of_a_host_that_is_down_share_its_early_probe(kit: Kit):
    kit.fail(Fault.CONNECT)
    permit = kit.board.acquire(HERE, early=True)
    assert permit is not None
    permit.fail(Fault.CONNECT)
    assert kit.board.acquire(SIBLING, early=True) is None


def test_a_model_whose_host_is_well_is_probed_early_beside_its_sibling(kit: Kit):
    kit.fail()
    kit.fail(place=SIBLING)
    assert kit.board.acquire(HERE, early=True) is not None
    assert kit.board.acquire(SIBLING, early=True) is not None


def test_changes_of_state_are_told_and_single_outcomes_are_not(kit: Kit):
    kit.fail(times=2)
    assert not kit.told
    kit.fail(times=1)
    assert [circuits[HERE].state for circuits in kit.told] == ["open"]
    kit.board.force(HERE, "closed")
    assert kit.told[-1][HERE].forced == "closed"


def test_the_soonest_of_several_is_named_and_none_of_no_place(kit: Kit):
    kit.fail()
    kit.clock.advance(10)
    kit.fail(place=SIBLING)
    assert kit.board.soonest([HERE, SIBLING]) == 20_000
    assert kit.board.soonest([SIBLING]) == 30_000
    assert kit.board.soonest([HERE, ELSEWHERE]) == 0
    assert kit.board.soonest([]) is None


def test_a_board_takes_over_only_what_is_newer(kit: Kit):
    kit.fail()
    old = kit.board.circuits()
    kit.board.force(HERE, None)
    other = Kit()
    other.board.load(old)
    assert not other.is_ready()
    kit.clock.advance(1)
    kit.board.force(HERE, None)
    other.board.load(kit.board.circuits())
    assert other.is_ready()
    other.board.load(old)
    assert other.is_ready()


def test_what_is_read_from_others_ends_permits_that_are_out(kit: Kit):
    permit = kit.board.acquire(HERE)
    other = Kit()
    other.clock.advance(1)
    other.fail()
    kit.board.load(other.board.circuits())
    assert permit is not None
    permit.succeed()
    assert not kit.is_ready()


def test_names_that_anybody_may_invent_do_not_push_out_what_was_learnt_last():
    clock = ManualClock()
    board = Board(RULES, now_ms=clock.now_ms, jitter=lambda: 0.0)
    board.force(ELSEWHERE, "open")
    for number in range(20_100):
        if number == 10_000:
            board.force(HERE, "open")
            board.force(ELSEWHERE, "closed")
        board.force(Place("any", "", f"model {number}"), "open")
    assert len(board.circuits()) <= 20_000
    assert not board.judge(HERE).ready
    assert board.circuit(ELSEWHERE).forced == "closed"


def test_who_leaves_shows_nothing_of_a_host_that_could_not_be_reached(kit: Kit):
    kit.fail(Fault.CONNECT, times=2)
    kit.fail(Fault.LEFT, times=1)
    kit.fail(Fault.CONNECT, times=1)
    assert not kit.is_ready(SIBLING)


def test_a_model_that_may_not_be_asked_takes_no_probe_of_its_host(kit: Kit):
    kit.fail(Fault.CONNECT)
    kit.board.force(HERE, "open")
    kit.clock.advance(30)
    assert kit.board.acquire(HERE) is None
    permit = kit.board.acquire(SIBLING)
    assert permit is not None
    assert permit.is_probe
