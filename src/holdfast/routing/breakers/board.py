"""The circuits of all endpoints of a process, and the permits that are out.

An endpoint has two circuits: one of its key at the provider (connections, a key that is refused or
has no money) and one of the model behind it. A call needs a permit of both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from holdfast.frozen import NamedTuple
from holdfast.routing.breakers.rules import (
    AS_NEW,
    CLOSED,
    READY,
    Circuit,
    Forced,
    Permit,
    Rules,
    Verdict,
    admit,
    fail,
    force,
    is_slow,
    judge,
    merge,
    release,
    succeed,
)
from holdfast.routing.faults import OF_THE_KEY, Fault

ANY_MODEL = ""
_EARLY_MS = 1_000
_LOOK_MS = 1_000
_MOST_CIRCUITS = 20_000
_OF_THE_HOST = OF_THE_KEY | {Fault.CONNECT}


class Place(NamedTuple):
    """What a circuit is about: a provider, the fingerprint of its key, a model or `ANY_MODEL`."""

    provider: str
    key: str = ""
    model: str = ANY_MODEL


Changed = Callable[[Mapping[Place, Circuit]], None]
"""Gets circuits that changed their state, with all others that are not as new."""
Others = Callable[[], Mapping[Place, Circuit] | None]
"""Gives what other processes know, None if that is nothing new."""


class Board:
    """Judges, admits and counts. Not for threads: it belongs to one event loop.

    `now_ms` and `jitter` come from outside. `changed` is called after a change of state, not after
    each outcome. `others` is asked at the beginning, and once a second at most when somebody wants to call.
    `flush` returns when all changes are kept.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        now_ms: Callable[[], int],
        jitter: Callable[[], float],
        changed: Changed | None = None,
        others: Others | None = None,
        flush: Callable[[], None] | None = None,
    ) -> None:
        self.rules = rules
        self._now_ms = now_ms
        self._jitter = jitter
        self._changed = changed
        self._others = others
        self._flush = flush
        self._look_ms = 0
        self._circuits: dict[Place, Circuit] = {}
        self._early_ms: dict[Place, int] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self.troubled: set[str] = set()
        """Providers with a circuit that is not as new: all others need not be judged."""
        self._look_around(now_ms())

    def circuit(self, place: Place) -> Circuit:
        """Return the circuit of a place."""
        return self._circuits.get(place, CLOSED)

    def circuits(self) -> Mapping[Place, Circuit]:
        """Return the circuits that are not as new."""
        return dict(self._circuits)

    def load(self, circuits: Mapping[Place, Circuit]) -> None:
        """Take over what another process, or this one before, knew and is newer than what is here."""
        moved = [self._put(p, merge(self.circuit(p), each)) for p, each in circuits.items()]
        if any(moved):
            self._wake()

    def judge(self, place: Place) -> Verdict:
        """Tell whether a call may be made now."""
        if self._others is not None:
            self._look_around(self._now_ms())
        if place.provider not in self.troubled:
            return READY
        now_ms = self._now_ms()
        host = judge(self.circuit(host_of(place)), now_ms)
        return host if not host.ready else judge(self.circuit(place), now_ms)

    def acquire(self, place: Place, *, early: bool = False) -> Pass | None:
        """Return the right to one call, None if there is none.

        It must be given back by `succeed`, `fail` or `release`; a probe's ends by itself as well.
        `early` is granted once a second at most for each circuit.
        """
        now_ms = self._now_ms()
        self._look_around(now_ms)
        host = host_of(place)
        if place.provider not in self.troubled:
            return Pass(self, {host: AS_NEW, place: AS_NEW})
        if early and not self._may_be_early(place, now_ms):
            return None
        hosts, host_permit = admit(self.circuit(host), now_ms, self.rules, early=early)
        if host_permit is None:
            return None
        model, permit = admit(self.circuit(place), now_ms, self.rules, early=early)
        if permit is None:
            return None  # the permit of the host was not noted down: nothing to give back
        self._set(host, hosts)
        self._set(place, model)
        permits = {host: host_permit, place: permit}
        if early:
            self._note_early(permits, now_ms)
        return Pass(self, permits)

    def force(self, place: Place, forced: Forced | None) -> None:
        """Hold a circuit open or closed by hand; None lets it decide again."""
        self._set(place, force(self.circuit(place), forced, self._now_ms()))

    def flush(self) -> None:
        """Return when all changes are where the next process finds them; that may wait for a disk."""
        if self._flush is not None:
            self._flush()

    def soonest(self, places: Iterable[Place]) -> int | None:
        """Return in how many ms one of the places may be asked again, None if there is no place."""
        now_ms = self._now_ms()
        waits = [max(0, self.judge(each).again_ms - now_ms) for each in places]
        return min(waits, default=None)

    def next_change(self) -> asyncio.Future[None]:
        """Return what is done as soon as a circuit changes its state."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def _may_be_early(self, place: Place, now_ms: int) -> bool:
        return all(
            now_ms - self._early_ms.get(each, now_ms - _EARLY_MS) >= _EARLY_MS
            for each in (host_of(place), place)
        )

    def _note_early(self, permits: Mapping[Place, Permit], now_ms: int) -> None:
        lately = {p: at for p, at in self._early_ms.items() if now_ms - at < _EARLY_MS}
        self._early_ms = lately | {p: now_ms for p, permit in permits.items() if permit.probe}

    def _look_around(self, now_ms: int) -> None:
        if self._others is None or now_ms < self._look_ms:
            return
        self._look_ms = now_ms + _LOOK_MS
        self.load(self._others() or {})

    def _set(self, place: Place, circuit: Circuit) -> None:
        if self._put(place, circuit):
            self._wake()
            if self._changed is not None:
                self._changed(self._circuits)

    def _put(self, place: Place, circuit: Circuit) -> bool:
        """Note a circuit down; return whether its state is another one."""
        before = self.circuit(place)
        if circuit is before:
            return False
        self._circuits.pop(place, None)
        self._circuits[place] = circuit  # the last of all: the first is the one to forget
        self.troubled.add(place.provider)
        if len(self._circuits) > _MOST_CIRCUITS:  # names of models can come from anybody
            self._circuits.pop(next(iter(self._circuits)))
        return (circuit.state, circuit.forced, circuit.paused_until_ms) != (
            before.state,
            before.forced,
            before.paused_until_ms,
        )

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def end(
        self,
        permits: Mapping[Place, Permit],
        fault: Fault | None,
        *,
        retry_after_ms: int | None = None,
        first_byte_ms: int | None = None,
    ) -> None:
        """Count the outcome of a call at each of its circuits; called by `Pass`."""
        if fault is None and is_slow(first_byte_ms, self.rules):
            fault = Fault.FIRST_BYTE
        if fault is None and self.troubled.isdisjoint([each.provider for each in permits]):
            return  # there is nothing to get over: nearly always
        now_ms = self._now_ms()
        for place, permit in permits.items():
            circuit = self.circuit(place)
            if fault is None or not _concerns(place, fault):
                after = self._unharmed(circuit, permit, fault, now_ms)
            else:
                after = fail(
                    circuit, permit, fault, now_ms, self.rules,
                    jitter=self._jitter, retry_after_ms=retry_after_ms,
                )  # fmt: skip
            self._set(place, after)

    def give_back(self, permits: Mapping[Place, Permit]) -> None:
        """Take permits back without an outcome; called by `Pass`."""
        now_ms = self._now_ms()
        for place, permit in permits.items():
            self._set(place, release(self.circuit(place), permit, now_ms))

    def _unharmed(
        self, circuit: Circuit, permit: Permit, fault: Fault | None, now_ms: int
    ) -> Circuit:
        # A model that fails shows all the same that the host can be reached.
        reached = fault is None or fault not in (*_OF_THE_HOST, Fault.LEFT)
        if reached:
            return succeed(circuit, permit, now_ms, self.rules)
        return release(circuit, permit, now_ms)


class Pass:
    """The right to one call. What is said first about its outcome counts; the rest is ignored."""

    __slots__ = ("_board", "_permits")

    def __init__(self, board: Board, permits: Mapping[Place, Permit]) -> None:
        self._board = board
        self._permits: Mapping[Place, Permit] | None = permits

    @property
    def is_probe(self) -> bool:
        """Whether the outcome decides if others may call again."""
        return any(each.probe for each in (self._permits or {}).values())

    def succeed(self, first_byte_ms: int | None = None) -> None:
        """Say that the answer came whole, its first byte after so many ms."""
        if (permits := self._take()) is not None:
            self._board.end(permits, None, first_byte_ms=first_byte_ms)

    def fail(self, fault: Fault, retry_after_ms: int | None = None) -> None:
        """Say how the call failed."""
        if (permits := self._take()) is not None:
            self._board.end(permits, fault, retry_after_ms=retry_after_ms)

    def release(self) -> None:
        """Give the right back: the call was not made."""
        if (permits := self._take()) is not None:
            self._board.give_back(permits)

    def _take(self) -> Mapping[Place, Permit] | None:
        permits, self._permits = self._permits, None
        return permits


def host_of(place: Place) -> Place:
    """Return the place of the key that a place belongs to."""
    return Place(place.provider, place.key)


def _concerns(place: Place, fault: Fault) -> bool:
    return (fault in _OF_THE_HOST) == (place.model == ANY_MODEL)
