"""Negative controls: a store that does not survive a restart of its server does not pass."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager

import pytest

from holdfast.errors import StorageUnavailable
from holdfast.storage.memory import MemoryStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import RestartContract, restarts, watches
from holdfast.testing.stores import ForwardingStore
from tests.storage.negative_rules import name_of, pause

RESTART = RestartContract()


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (watches, restarts):
        monkeypatch.setattr(module, "DEADLINE", 0.3)


class _Server:
    """Data in memory behind connections that a restart cuts."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.data = MemoryStore(clock=self.clock)
        self.started = 0

    async def restart(self) -> None:
        self.started += 1


class Client(ForwardingStore):
    """Finds the server again after the first failure."""

    def __init__(self, server: _Server) -> None:
        super().__init__(server.data)
        self.server = server
        self._connected = server.started

    async def __aexit__(self, kind, error, trace) -> None:
        """Leave the data open for the other handles."""

    async def _call(self, verb, action):
        await pause()
        if verb not in ("watch", "wait") and self._connected != self.server.started:
            self._connected = self.server.started
            raise self.failure()
        return await action()

    def failure(self) -> Exception:
        return StorageUnavailable("the connection was cut")


class NeverReconnects(Client):
    async def _call(self, verb, action):
        if self.server.started:
            raise StorageUnavailable("the connection was cut")
        return await action()


class LeaksTheErrorOfItsDriver(Client):
    def failure(self) -> Exception:
        return ConnectionResetError("driver")


class _Deaf(Client):
    def _watch_of(self, inner):
        @asynccontextmanager
        async def watch(prefix):
            async with inner.watch(prefix) as changes:
                yield _UntilRestart(changes, self.server)

        return watch


class _UntilRestart:
    def __init__(self, changes, server: _Server) -> None:
        self._changes = changes
        self._server = server

    async def wait(self) -> None:
        await (asyncio.Event() if self._server.started else self._changes).wait()


class StopsWatchingAtARestart(_Deaf):
    pass


class _ForgettingServer(_Server):
    async def restart(self) -> None:
        await super().restart()
        fresh = MemoryStore(clock=self.clock)
        vars(self.data).update({**vars(fresh), "_open": True})


class ForgetsAtARestart(Client):
    pass


async def _restart(kind, rule, server: _Server) -> None:
    async with kind(server) as store, kind(server) as other:
        fixtures = {
            "store": store,
            "other": other,
            "clock": server.clock,
            "restart_server": server.restart,
        }
        await rule(**{name: fixtures[name] for name in inspect.signature(rule).parameters})


RESTART_RULES = [
    getattr(RESTART, name) for name in dir(restarts.RestartRules) if name.startswith("test_")
]


@pytest.mark.parametrize("rule", RESTART_RULES, ids=name_of)
async def test_a_store_that_reconnects_passes_the_rules_of_restarts(rule) -> None:
    await _restart(Client, rule, _Server())


@pytest.mark.parametrize(
    ("kind", "server", "rule"),
    [
        *((NeverReconnects, _Server, rule) for rule in RESTART_RULES),
        (LeaksTheErrorOfItsDriver, _Server, RESTART.test_reads_go_on_after_a_restart),
        (LeaksTheErrorOfItsDriver, _Server,
         RESTART.test_writes_under_way_are_acknowledged_and_there_or_fail),
        (StopsWatchingAtARestart, _Server,
         RESTART.test_a_watcher_from_before_a_restart_is_told_of_a_change_behind_it),
        (ForgetsAtARestart, _ForgettingServer, RESTART.test_reads_go_on_after_a_restart),
        (ForgetsAtARestart, _ForgettingServer,
         RESTART.test_versions_grow_over_a_restart_and_a_delete),
        (ForgetsAtARestart, _ForgettingServer, RESTART.test_a_lease_outlives_a_restart),
        (ForgetsAtARestart, _ForgettingServer,
         RESTART.test_writes_under_way_are_acknowledged_and_there_or_fail),
    ],
    ids=name_of,
)  # fmt: skip
async def test_a_store_that_does_not_survive_a_restart_fails(kind, server, rule) -> None:
    with pytest.raises((AssertionError, TimeoutError, StorageUnavailable, ConnectionResetError)):
        await _restart(kind, rule, server())
