"""Keep records and logs in one table of DynamoDB."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from holdfast.clock import Clock
from holdfast.storage.dynamodb import errors
from holdfast.storage.dynamodb.address import Address
from holdfast.storage.dynamodb.batches import MAX_OPERATIONS, Batches
from holdfast.storage.dynamodb.endpoint import Endpoint
from holdfast.storage.dynamodb.gate import Gate
from holdfast.storage.dynamodb.items import MAX_VALUE_BYTES, Names
from holdfast.storage.dynamodb.logs import Logs
from holdfast.storage.dynamodb.records import Records
from holdfast.storage.dynamodb.table import can_batch, prepare_table
from holdfast.storage.limits import check_batch, check_operation, check_value
from holdfast.storage.seam import ANY, Conflict, Entry, Key, Operation, Record

ATTEMPTS = 5
"""How often a request is sent before the store gives up, with growing pauses between."""

TIMEOUT_SECONDS = 10.0
"""How long a connection, and then an answer, may take. DynamoDB answers in milliseconds."""


class _Batch(Protocol):
    async def __call__(self, operations: Sequence[Operation]) -> Conflict | None: ...


class DynamoStore:
    """A store in a table of DynamoDB, made when it is missing.

        address = parse_address("dynamodb://holdfast?region=eu-central-1")
        async with DynamoStore(address, clock=SystemClock()) as store:
            await store.append(("runs", run_id), [entry])

    What is acknowledged is on the disks of several data centres. The clock must be about right:
    the server removes what has expired by its own, a day later. It can batch, once it is open,
    where the server has transactions. Claims look at an index that follows the table with a delay
    of some milliseconds. If the table is deleted and made anew, open the store anew too.

    Raises on entering:
        UsageError: there are no credentials or no region.
        StorageCorrupt: the table is another program's.
        StorageTooNew: the store has a format of the future.
        StorageUnavailable: the endpoint does not answer or denies access.
    """

    batch: _Batch  # there once a store is open whose server has transactions

    def __init__(
        self,
        address: Address,
        *,
        clock: Clock,
        attempts: int = ATTEMPTS,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._address = address
        self._clock = clock
        self._attempts = attempts
        self._timeout = timeout
        self._names = Names(address.prefix)
        self._gate = Gate(lambda: errors.closed(address))
        self._use(Endpoint(address, attempts=attempts, timeout=timeout))

    @property
    def max_operations(self) -> int:
        return MAX_OPERATIONS

    @property
    def max_value_bytes(self) -> int:
        return MAX_VALUE_BYTES

    async def __aenter__(self) -> Self:
        self._use(Endpoint(self._address, attempts=self._attempts, timeout=self._timeout))
        await self._endpoint.open()
        try:
            await prepare_table(self._endpoint, self._names)
            if await can_batch(self._endpoint, self._names):
                # An attribute of the instance: `isinstance(store, Batching)` looks for it.
                self.batch = self._batch
        except BaseException:
            await self._endpoint.close()
            raise
        self._gate.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._gate.close()
        finally:
            await self._endpoint.close()

    async def get(self, key: Key) -> Record | None:
        with self._gate.inside():
            return await self._records.get(key)

    async def put(
        self,
        key: Key,
        value: bytes,
        *,
        expected: int,
        expires_at: int | None = None,
        due_at: int | None = None,
    ) -> int | Conflict:
        check_value(value, MAX_VALUE_BYTES)
        with self._gate.inside():
            return await self._records.put(key, value, expected, expires_at, due_at)

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        with self._gate.inside():
            return await self._records.delete(key, expected)

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        with self._gate.inside():
            return await self._records.scan(prefix, after, limit)

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        for value in entries:
            check_value(value, MAX_VALUE_BYTES)
        with self._gate.inside():
            return await self._logs.append(log, entries, expected)

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        with self._gate.inside():
            return await self._logs.read(log, after, limit)

    async def claim(self, queue: Key, *, until: int) -> Record | None:
        with self._gate.inside():
            return await self._records.claim(queue, until)

    async def logs(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Key]:
        with self._gate.inside():
            return await self._logs.names(prefix, after, limit)

    async def _batch(self, operations: Sequence[Operation]) -> Conflict | None:
        check_batch(operations)
        for operation in operations:
            check_operation(operation, MAX_VALUE_BYTES)
        with self._gate.inside():
            return await self._batches.apply(operations)

    def _use(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._records = Records(endpoint, self._names, self._clock)
        self._logs = Logs(endpoint, self._names)
        self._batches = Batches(endpoint, self._names, self._records, self._logs)
