"""The circuit breaker as a state machine without a clock, a lock or a memory of its own.

A circuit is a value; each function returns the circuit that follows. Times are milliseconds since
the epoch and always come from the caller.

::

    closed --enough failures--> open --its time is over, somebody asks--> half-open
       ^                         ^                                          |
       |                         '------------- the probe fails ------------+
       '------------------------- the probe succeeds ----------------------'

The pattern is that of M. Nygard, *Release It!* (2007), chapter 5; that exactly one call may probe,
and that its permit ends by itself, is ours: a holder that never returns cannot keep a circuit shut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from holdfast.frozen import NamedTuple, frozen, replace
from holdfast.routing.faults import COUNTED, OF_THE_KEY, Fault

State = Literal["closed", "open", "half_open"]
Forced = Literal["open", "closed"]
Jitter = Callable[[], float]
"""A number between 0 and 1, anew at each call."""

_KEY_PAUSE_MS: Final = {Fault.AUTH: 600_000, Fault.PAYMENT: 300_000, Fault.MODEL: 600_000}
_SCOPED: Final = OF_THE_KEY | {Fault.MODEL}


@frozen
class Rules:
    """When a circuit opens and for how long.

    `failures` in a row open it, or a share of `rate` among the last `window` calls once there were
    that many (0 switches this off; `window` is at most 64). It stays open for `open_ms`, each time in
    a row `growth` times as long up to `most_open_ms`, with a `jitter` part added at random so that
    processes do not probe at once. A probe's permit ends after `permit_ms`. After `healthy_ms` without
    a failure the next opening is a first one again. A call whose first byte took more than `slow_ms`
    counts as a failure (None: never). A 429 that names no time pauses for `pause_ms`.
    """

    failures: int = 3
    open_ms: int = 30_000
    growth: float = 2.0
    most_open_ms: int = 600_000
    jitter: float = 0.1
    window: int = 32
    rate: float = 0.0
    permit_ms: int = 120_000
    healthy_ms: int = 300_000
    slow_ms: int | None = None
    pause_ms: int = 5_000
    most_pause_ms: int = 3_600_000


@frozen
class Circuit:
    """What is known of one endpoint.

    `history` holds the last outcomes as bits, a 1 for a failure, the newest lowest; `seen` how many
    there are. Answers of an endpoint that has nothing to get over are not counted. `epoch` grows whenever the state changes, so that late outcomes are known to be late.
    `until_ms` is when an open circuit may be probed, `paused_until_ms` the end of a timed pause,
    `permit_until_ms` the end of the permit of a probe that is under way, `well_ms` since when nothing
    has failed. `changed_ms` and `forced_ms` tell which of two processes knows more: see `merge`.
    """

    state: State = "closed"
    failures: int = 0
    history: int = 0
    seen: int = 0
    epoch: int = 0
    openings: int = 0
    changed_ms: int = 0
    until_ms: int = 0
    paused_until_ms: int = 0
    permit_until_ms: int = 0
    well_ms: int = 0
    reason: Fault | None = None
    forced: Forced | None = None
    forced_ms: int = 0


CLOSED: Final = Circuit()


class Permit(NamedTuple):
    """The right to make one call: of which epoch, and whether it is the probe."""

    epoch: int
    probe: bool = False


AS_NEW: Final = Permit(CLOSED.epoch)
"""The right to call an endpoint of which nothing is known."""


class Verdict(NamedTuple):
    """Whether a call may be made now: `ready`, or from when on one may ask again."""

    ready: bool
    again_ms: int = 0
    reason: str = ""
    probing: bool = False
    """Another call is probing just now: its outcome decides."""
    may_be_early: bool = False
    """It may be probed before its time, where there is no other endpoint."""


READY: Final = Verdict(ready=True)
"""The verdict on a circuit that is closed."""


def judge(circuit: Circuit, now_ms: int) -> Verdict:
    """Tell whether a call may be made, without changing anything."""
    if circuit is CLOSED:
        return READY
    if circuit.forced is not None:
        closed = circuit.forced == "closed"
        return READY if closed else Verdict(ready=False, again_ms=now_ms + 60_000, reason="forced")
    if now_ms < circuit.paused_until_ms:
        return Verdict(ready=False, again_ms=circuit.paused_until_ms, reason="rate_limit")
    match circuit.state:
        case "closed":
            return READY
        case "open" if now_ms < circuit.until_ms:
            return Verdict(
                ready=False,
                again_ms=circuit.until_ms,
                reason=_reason(circuit),
                may_be_early=circuit.reason not in _SCOPED,
            )
        case "half_open" if now_ms < circuit.permit_until_ms:
            again = circuit.permit_until_ms
            return Verdict(ready=False, again_ms=again, reason="probing", probing=True)
        case _:
            return READY


def admit(
    circuit: Circuit, now_ms: int, rules: Rules, *, early: bool = False
) -> tuple[Circuit, Permit | None]:
    """Take a permit; None if there is none.

    `early` probes an open circuit before its time: for when there is no other endpoint at all.
    """
    if not judge(circuit, now_ms).ready and not (early and _may_probe_early(circuit, now_ms)):
        return circuit, None
    if circuit.state == "closed" or circuit.forced == "closed":
        return circuit, Permit(circuit.epoch)
    probing = replace(
        circuit,
        state="half_open",
        epoch=circuit.epoch + 1,
        permit_until_ms=now_ms + rules.permit_ms,
        changed_ms=now_ms,
    )
    return probing, Permit(probing.epoch, probe=True)


def succeed(circuit: Circuit, permit: Permit, now_ms: int, rules: Rules) -> Circuit:
    """Count an answer that came whole."""
    if permit.epoch != circuit.epoch or circuit.forced is not None:
        return circuit
    if permit.probe:
        return replace(_fresh(circuit, now_ms), openings=circuit.openings, well_ms=now_ms)
    if not circuit.failures and not circuit.history and not circuit.openings:
        return circuit  # the usual case costs nothing
    return replace(
        circuit,
        failures=0,
        **_remembered(circuit, rules, 0),
        openings=_openings(circuit, now_ms, rules),
    )


def fail(
    circuit: Circuit,
    permit: Permit,
    fault: Fault,
    now_ms: int,
    rules: Rules,
    *,
    jitter: Jitter,
    retry_after_ms: int | None = None,
) -> Circuit:
    """Count a call that failed. What says nothing about the endpoint only gives the permit back."""
    if permit.epoch != circuit.epoch or circuit.forced is not None:
        return circuit
    if fault is Fault.RATE_LIMIT:
        return _paused(release(circuit, permit, now_ms), now_ms, rules, retry_after_ms)
    if fault in _SCOPED:
        return _opened(circuit, fault, now_ms, now_ms + _KEY_PAUSE_MS[fault])
    if fault not in COUNTED or (permit.probe and now_ms < circuit.until_ms):
        return release(circuit, permit, now_ms)  # a probe before the time leaves that time as it is
    failing = replace(
        circuit,
        failures=circuit.failures + 1,
        **_remembered(circuit, rules, 1),
        openings=circuit.openings if permit.probe else _openings(circuit, now_ms, rules),
        well_ms=now_ms,
    )
    if permit.probe or _is_enough(failing, rules):
        length = _open_length(failing, rules) * (1 + rules.jitter * jitter())
        opened = _opened(failing, fault, now_ms, now_ms + round(length))
        return replace(opened, openings=failing.openings + 1)
    return failing


def release(circuit: Circuit, permit: Permit, now_ms: int) -> Circuit:
    """Give a permit back without an outcome: the call was not made, or nobody waited for its end."""
    if not permit.probe or permit.epoch != circuit.epoch:
        return circuit
    # Open as before; where its time is over, whoever asks next is the probe.
    return replace(
        circuit, state="open", epoch=circuit.epoch + 1, permit_until_ms=0, changed_ms=now_ms
    )


def force(circuit: Circuit, forced: Forced | None, now_ms: int) -> Circuit:
    """Hold a circuit open or closed by hand; None forgets that, and all failures with it."""
    if forced is None:
        return replace(_fresh(circuit, now_ms), forced_ms=now_ms)
    return replace(circuit, forced=forced, forced_ms=now_ms, epoch=circuit.epoch + 1)


def merge(ours: Circuit, theirs: Circuit) -> Circuit:
    """Return what two processes know together: the later state, and what was forced later.

    What is ours stays as it is if they know nothing newer; otherwise permits that are out end.
    """
    newer = theirs if theirs.changed_ms > ours.changed_ms else ours
    forcing = theirs if theirs.forced_ms > ours.forced_ms else ours
    if newer is ours and forcing is ours:
        return ours
    return replace(
        newer,
        forced=forcing.forced,
        forced_ms=forcing.forced_ms,
        epoch=max(ours.epoch, theirs.epoch) + 1,
    )


def is_slow(first_byte_ms: int | None, rules: Rules) -> bool:
    """Tell whether an answer began so late that it counts as a failure."""
    return rules.slow_ms is not None and first_byte_ms is not None and first_byte_ms > rules.slow_ms


def _fresh(circuit: Circuit, now_ms: int) -> Circuit:
    return replace(CLOSED, epoch=circuit.epoch + 1, changed_ms=now_ms, forced_ms=circuit.forced_ms)


def _openings(circuit: Circuit, now_ms: int, rules: Rules) -> int:
    return 0 if now_ms - circuit.well_ms >= rules.healthy_ms else circuit.openings


def _may_probe_early(circuit: Circuit, now_ms: int) -> bool:
    return (
        circuit.state == "open"
        and circuit.forced is None
        and circuit.reason not in _SCOPED
        and now_ms >= circuit.paused_until_ms
    )


def _remembered(circuit: Circuit, rules: Rules, failed: int) -> dict[str, int]:
    mask = (1 << rules.window) - 1
    history = (circuit.history << 1 | failed) & mask
    return {"history": history, "seen": min(circuit.seen + 1, rules.window)}


def _is_enough(circuit: Circuit, rules: Rules) -> bool:
    if circuit.failures >= rules.failures:
        return True
    full = rules.rate > 0 and circuit.seen >= rules.window
    return full and circuit.history.bit_count() >= rules.rate * rules.window


def _open_length(circuit: Circuit, rules: Rules) -> float:
    growth = rules.growth ** min(circuit.openings, 64)
    return min(rules.open_ms * growth, rules.most_open_ms)


def _opened(circuit: Circuit, fault: Fault, now_ms: int, until_ms: int) -> Circuit:
    return replace(
        _fresh(circuit, now_ms),
        state="open",
        failures=circuit.failures,
        openings=circuit.openings,
        until_ms=until_ms,
        paused_until_ms=circuit.paused_until_ms,
        well_ms=circuit.well_ms,
        reason=fault,
    )


def _paused(circuit: Circuit, now_ms: int, rules: Rules, retry_after_ms: int | None) -> Circuit:
    wanted = rules.pause_ms if retry_after_ms is None else retry_after_ms
    until = now_ms + min(max(wanted, 0), rules.most_pause_ms)
    return replace(circuit, paused_until_ms=max(until, circuit.paused_until_ms), changed_ms=now_ms)


def _reason(circuit: Circuit) -> str:
    return "open" if circuit.reason is None else str(circuit.reason)
