"""The rules of a circuit one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.frozen import replace
from holdfast.routing.breakers.rules import (
    CLOSED,
    Circuit,
    Permit,
    Rules,
    admit,
    fail,
    force,
    is_slow,
    judge,
    merge,
    release,
    succeed,
)
from holdfast.routing.faults import COUNTED, PASSED_OVER, Fault, fault_of_status

START = 1_700_000_000_000
SCOPED = {Fault.AUTH: 600_000, Fault.PAYMENT: 300_000, Fault.MODEL: 600_000}
HARMLESS = (Fault.CALLER, Fault.FORBIDDEN, Fault.LEFT)
ONE = Rules(failures=1, jitter=0.0)
"""Opens at the first failure for half a minute."""


def opened(rules: Rules = ONE, fault: Fault = Fault.SERVER, now: int = START) -> Circuit:
    return fail(CLOSED, Permit(0), fault, now, rules, jitter=lambda: 0.0)


def probed(circuit: Circuit, now: int, rules: Rules = ONE) -> tuple[Circuit, Permit]:
    circuit, permit = admit(circuit, now, rules)
    assert permit is not None
    assert permit.probe
    return circuit, permit


def test_three_failures_in_a_row_open_a_circuit_for_half_a_minute():
    rules, circuit = Rules(jitter=0.0), CLOSED
    for _ in range(2):
        circuit = fail(circuit, Permit(0), Fault.SERVER, START, rules, jitter=lambda: 0.0)
        assert judge(circuit, START).ready
    circuit = fail(circuit, Permit(0), Fault.CONNECT, START, rules, jitter=lambda: 0.0)
    verdict = judge(circuit, START)
    assert (verdict.ready, verdict.again_ms, verdict.reason) == (False, START + 30_000, "connect")
    assert judge(circuit, START + 30_000).ready


def test_an_answer_in_between_begins_the_count_anew():
    rules, circuit = Rules(failures=2), CLOSED
    for _ in range(50):
        circuit = fail(circuit, Permit(0), Fault.SERVER, START, rules, jitter=lambda: 0.0)
        circuit = succeed(circuit, Permit(0), START, rules)
    assert circuit.state == "closed"


@pytest.mark.parametrize("fault", HARMLESS)
def test_what_the_caller_did_never_opens_a_circuit(fault: Fault):
    circuit = CLOSED
    for _ in range(100):
        circuit = fail(circuit, Permit(0), fault, START, ONE, jitter=lambda: 0.0)
    assert circuit is CLOSED


def test_each_opening_in_a_row_is_longer_up_to_a_limit():
    rules = Rules(failures=1, open_ms=1000, growth=3.0, most_open_ms=20_000, jitter=0.0)
    circuit, now, lengths = opened(rules), START, []
    for _ in range(5):
        lengths.append(circuit.until_ms - now)
        now = circuit.until_ms
        circuit, permit = probed(circuit, now, rules)
        circuit = fail(circuit, permit, Fault.SERVER, now, rules, jitter=lambda: 0.0)
    assert lengths == [1000, 3000, 9000, 20_000, 20_000]


@given(part=st.floats(0, 1), jitter=st.floats(0, 1))
def test_jitter_only_lengthens_and_by_its_part_at_most(part: float, jitter: float):
    rules = Rules(failures=1, jitter=part)
    circuit = fail(CLOSED, Permit(0), Fault.SERVER, START, rules, jitter=lambda: jitter)
    assert 30_000 <= circuit.until_ms - START <= round(30_000 * (1 + part))


def test_a_probe_before_the_time_that_fails_leaves_the_time_as_it_is():
    circuit = opened()
    for second in range(1, 20):
        now = START + second * 1000
        probing, permit = admit(circuit, now, ONE, early=True)
        assert permit is not None
        circuit = fail(probing, permit, Fault.SERVER, now, ONE, jitter=lambda: 0.0)
    assert (circuit.state, circuit.until_ms, circuit.openings) == ("open", START + 30_000, 1)


def test_a_probe_before_the_time_that_is_given_back_opens_nothing_early():
    probing, permit = admit(opened(), START + 1000, ONE, early=True)
    assert permit is not None
    assert judge(release(probing, permit, START + 1001), START + 1001).again_ms == START + 30_000


def test_a_probe_that_answers_closes_and_one_that_never_returns_loses_its_permit():
    circuit, permit = probed(opened(), START + 30_000)
    held = START + 30_000 + ONE.permit_ms
    verdict = judge(circuit, held - 1)
    assert (verdict.ready, verdict.probing, verdict.again_ms) == (False, True, held)
    second, other = probed(circuit, held)
    assert succeed(second, permit, held, ONE) is second
    assert succeed(second, other, held, ONE).state == "closed"


def test_health_makes_the_next_opening_a_first_one_whether_it_answered_meanwhile_or_not():
    circuit, permit = probed(opened(), START + 30_000)
    circuit = succeed(circuit, permit, START + 30_000, ONE)
    soon = fail(
        circuit, Permit(circuit.epoch), Fault.SERVER, START + 60_000, ONE, jitter=lambda: 0.0
    )
    assert soon.until_ms - (START + 60_000) == 60_000
    late = START + 30_000 + ONE.healthy_ms
    idle = fail(circuit, Permit(circuit.epoch), Fault.SERVER, late, ONE, jitter=lambda: 0.0)
    assert idle.until_ms - late == 30_000


def test_single_failures_put_health_off():
    rules = Rules(failures=2, jitter=0.0)
    circuit = replace(CLOSED, openings=2, well_ms=START)
    for minute in range(1, 20):
        now = START + minute * 60_000
        circuit = fail(circuit, Permit(0), Fault.SERVER, now, rules, jitter=lambda: 0.0)
        circuit = succeed(circuit, Permit(0), now, rules)
    assert circuit.openings == 2


def test_a_share_of_failures_opens_once_the_window_is_full():
    rules, circuit = Rules(failures=9, window=4, rate=0.5), CLOSED
    for outcome in (0, 1, 0):
        step = fail(circuit, Permit(0), Fault.IDLE, START, rules, jitter=lambda: 0.0)
        circuit = step if outcome else succeed(circuit, Permit(0), START, rules)
    assert circuit.state == "closed"
    # The first answer came before any failure and leaves no trace: two outcomes are seen.
    circuit = fail(circuit, Permit(0), Fault.IDLE, START, rules, jitter=lambda: 0.0)
    circuit = fail(circuit, Permit(0), Fault.IDLE, START, rules, jitter=lambda: 0.0)
    assert circuit.state == "open"


def test_429_pauses_for_the_time_that_it_names_and_counts_as_no_failure():
    circuit = CLOSED
    for wanted, pause in ((20_000, 20_000), (None, 20_000), (10**9, 3_600_000)):
        circuit = fail(
            circuit, Permit(0), Fault.RATE_LIMIT, START, ONE,
            jitter=lambda: 0.0, retry_after_ms=wanted,
        )  # fmt: skip
        assert circuit.state == "closed"
        assert judge(circuit, START).again_ms == START + pause
        assert admit(circuit, START, ONE, early=True)[1] is None
    assert judge(circuit, START + 3_600_000).ready


@pytest.mark.parametrize(("fault", "pause"), SCOPED.items())
def test_a_refused_key_or_model_is_left_alone_and_not_probed_before_its_time(fault, pause):
    circuit = opened(Rules(failures=3), fault)
    assert judge(circuit, START + pause - 1).reason == fault
    assert admit(circuit, START + pause - 1, ONE, early=True)[1] is None
    assert circuit.openings == 0
    assert probed(circuit, START + pause)[1].probe


def test_what_is_forced_holds_whatever_comes_in_and_its_end_forgets_all():
    circuit = force(opened(), "closed", START)
    assert judge(circuit, START).ready
    circuit, permit = admit(circuit, START, ONE)
    assert permit is not None
    assert fail(circuit, permit, Fault.SERVER, START, ONE, jitter=lambda: 0.0) is circuit
    shut = force(CLOSED, "open", START)
    assert admit(shut, START + 10**9, ONE, early=True)[1] is None
    freed = force(shut, None, START)
    assert judge(freed, START).ready
    assert (freed.failures, freed.openings) == (0, 0)


def test_an_answer_is_slow_only_where_a_limit_is_set():
    assert not is_slow(10**6, Rules())
    rules = Rules(slow_ms=500)
    assert [is_slow(ms, rules) for ms in (None, 500, 501)] == [False, False, True]


CIRCUITS = st.builds(
    Circuit,
    state=st.sampled_from(("closed", "open", "half_open")),
    epoch=st.integers(0, 9),
    changed_ms=st.integers(0, 9),
    forced=st.sampled_from(("open", "closed", None)),
    forced_ms=st.integers(0, 9),
)


@given(ours=CIRCUITS, theirs=CIRCUITS)
def test_two_processes_agree_once_they_have_merged(ours: Circuit, theirs: Circuit):
    both = merge(ours, theirs)
    assert merge(both, theirs) is both
    assert merge(both, ours) is both
    newer = theirs if theirs.changed_ms > ours.changed_ms else ours
    forcing = theirs if theirs.forced_ms > ours.forced_ms else ours
    assert (both.state, both.forced) == (newer.state, forcing.forced)
    if both is not ours:
        assert both.epoch > max(ours.epoch, theirs.epoch)


def test_what_was_forced_is_not_lost_to_a_later_change_of_state():
    shut = force(CLOSED, "open", START)
    known = merge(opened(now=START + 1), shut)
    assert (known.state, known.forced) == ("open", "open")
    assert merge(known, force(shut, None, START + 2)).forced is None


@given(status=st.integers(100, 599))
def test_every_status_but_those_of_the_caller_lets_another_endpoint_be_asked(status: int):
    fault = fault_of_status(status)
    ours = 400 <= status < 500 and status not in (401, 402, 403, 404, 408, 425, 429)
    assert (fault in PASSED_OVER) != ours
    assert (fault in COUNTED) == (status < 400 or status >= 500 or status in (408, 425))


@pytest.mark.parametrize("fault", [Fault.SERVER, *SCOPED])
def test_only_what_may_mend_itself_is_probed_before_its_time(fault: Fault):
    circuit = opened(fault=fault)
    assert judge(circuit, START + 1).may_be_early is (fault is Fault.SERVER)
    assert (admit(circuit, START + 1, ONE, early=True)[1] is None) is (fault in SCOPED)


def test_an_endpoint_that_wants_to_be_left_alone_is_not_probed_before_its_time():
    circuit = replace(opened(), paused_until_ms=START + 10_000)
    for now, may in ((START + 9_999, False), (START + 10_000, True)):
        assert (admit(circuit, now, ONE, early=True)[1] is not None) is may


def test_a_pause_outlasts_an_opening_by_a_call_that_was_under_way():
    paused = fail(
        CLOSED, Permit(0), Fault.RATE_LIMIT, START, ONE, jitter=lambda: 0.0, retry_after_ms=90_000
    )
    circuit = fail(paused, Permit(0), Fault.SERVER, START + 1, ONE, jitter=lambda: 0.0)
    assert circuit.state == "open"
    verdict = judge(circuit, START + 60_000)
    assert (verdict.ready, verdict.again_ms, verdict.reason) == (
        False, START + 90_000, "rate_limit",
    )  # fmt: skip
