"""Write records and logs together, in one transaction of the server.

A record is an update in it, a log the creation of one pack. Parts of packs and names of logs are
written before: nobody sees them unless the transaction succeeds. All states carry one token, so
that a transaction whose answer was lost is known by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

from holdfast.errors import OutcomeUnknown, UsageError
from holdfast.ids import new_run_id
from holdfast.storage.dynamodb import errors
from holdfast.storage.dynamodb.changes import Change
from holdfast.storage.dynamodb.endpoint import Endpoint
from holdfast.storage.dynamodb.items import Item, Names, item_size, key_text, text
from holdfast.storage.dynamodb.logs import Logs
from holdfast.storage.dynamodb.packs import Pack, first_text, make_pack
from holdfast.storage.dynamodb.records import Records
from holdfast.storage.seam import ABSENT, ANY, Append, Conflict, Delete, Operation, Put

MAX_OPERATIONS = 100
"""What DynamoDB takes in one transaction."""

MAX_BYTES = 4 * 1024 * 1024

_Reasons: TypeAlias = Sequence[tuple[str, Item | None]]

_TRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One member of a transaction, for the operation at `index`."""

    index: int
    key: Item
    request: Mapping[str, Any]
    size: int = 0


class Batches:
    """The transactions of one store."""

    def __init__(self, endpoint: Endpoint, names: Names, records: Records, logs: Logs) -> None:
        self._endpoint = endpoint
        self._names = names
        self._records = records
        self._logs = logs

    async def apply(self, operations: Sequence[Operation]) -> Conflict | None:
        logs = [key_text(each.log) for each in operations if isinstance(each, Append)]
        token = new_run_id()
        packs = {
            index: make_pack(self._names, key_text(each.log), each.entries, token)
            for index, each in enumerate(operations)
            if isinstance(each, Append) and each.entries
        }
        async with self._logs.turns.of(logs):
            conflict = await self._apply(operations, packs, token)
            if conflict:
                for pack in packs.values():
                    await self._logs.clear_away(pack)
            return conflict

    async def _apply(
        self, operations: Sequence[Operation], packs: Mapping[int, Pack], token: str
    ) -> Conflict | None:
        laid_out = False
        for _ in range(_TRIES):
            ends = await self._find_ends(operations)
            steps = [
                step
                for index, operation in enumerate(operations)
                if (step := self._step(index, operation, token, packs.get(index), ends.get(index)))
            ]
            _check_limits(steps)
            if not laid_out:
                for index, pack in packs.items():
                    await self._logs.lay_out(_log(operations[index]), pack, ends[index])
                laid_out = True
            reasons = await self._send(steps, token)
            if reasons is None:
                self._learn(operations, packs, ends)
                return None
            conflict = await self._refusal(operations, steps, reasons)
            if conflict:
                return conflict
        raise errors.contended(self._endpoint.address)

    async def _find_ends(self, operations: Sequence[Operation]) -> dict[int, int]:
        return {
            index: await self._logs.end_for(key_text(each.log), each.expected)
            for index, each in enumerate(operations)
            if isinstance(each, Append)
        }

    def _step(
        self, index: int, operation: Operation, token: str, pack: Pack | None, end: int | None
    ) -> _Step | None:
        """Return what a transaction does for an operation; None for nothing."""
        changes = self._records.changes(token)
        match operation:
            case Put(key=key, value=value, expected=expected, expires_at=ends, due_at=due):
                return self._update(index, changes.put(key, value, expected, ends, due))
            case Delete(key=key, expected=expected):
                if expected == ABSENT:
                    return self._update(index, changes.check_absent(key))
                return self._update(index, changes.delete(key, expected, leave_absent=False))
            case Append(log=log, expected=expected):
                return self._create(index, key_text(log), expected, pack, end or 0)
            case _:
                assert_never(operation)

    def _update(self, index: int, change: Change) -> _Step:
        kind = "Update" if change.update else "ConditionCheck"
        request = {kind: {"TableName": self._endpoint.address.table, **change.arguments()}}
        return _Step(index=index, key=change.key, request=request, size=change.size)

    def _create(
        self, index: int, log: str, expected: int, pack: Pack | None, end: int
    ) -> _Step | None:
        if pack is None and expected == ANY:
            return None
        partition = text(self._names.log(log))
        # Of a log that has another end, the transaction needs a condition that does not hold.
        right = expected in (ANY, end)
        sort = text(first_text(end + 1))
        request: dict[str, Any] = {
            "TableName": self._endpoint.address.table,
            "ConditionExpression": "attribute_not_exists(p)" if right else "attribute_exists(z)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        key = {"p": partition, "s": sort}
        if pack is None or not right:
            return _Step(index=index, key=key, request={"ConditionCheck": {**request, "Key": key}})
        item = pack.item(end)
        return _Step(
            index=index, key=key, request={"Put": {**request, "Item": item}}, size=item_size(item)
        )

    async def _send(self, steps: Sequence[_Step], token: str) -> _Reasons | None:
        """Send the transaction; return the reasons if it was refused, None if it succeeded."""
        if not steps:
            return None
        try:
            await self._endpoint.send(
                "transact_write_items",
                TransactItems=[step.request for step in steps],
                ClientRequestToken=new_run_id(),
            )
        except errors.Cancelled as cancelled:
            stored = [item for _, item in cancelled.reasons]
            return None if _is_any_ours(stored, token) else cancelled.reasons
        except OutcomeUnknown:
            stored = [await self._endpoint.get(step.key, "w") for step in steps]
            if not _is_any_ours(stored, token):
                raise
        return None

    async def _refusal(
        self,
        operations: Sequence[Operation],
        steps: Sequence[_Step],
        reasons: _Reasons,
    ) -> Conflict | None:
        """Return the conflict of the first operation that was refused; None to try again.

        One that met another transaction is looked at like one that was refused.
        """
        for step, (code, item) in zip(steps, reasons, strict=False):
            if code == "None":
                continue
            operation = operations[step.index]
            if isinstance(operation, Append):
                current = await self._logs.find_end(key_text(operation.log))
            else:
                stored = item or await self._endpoint.get(step.key)
                current = self._records.current(stored)
            if operation.expected in (ANY, current):
                return None  # it changed meanwhile
            return Conflict(current, step.index)
        return None

    def _learn(
        self, operations: Sequence[Operation], packs: Mapping[int, Pack], ends: Mapping[int, int]
    ) -> None:
        for index, pack in packs.items():
            self._logs.learn(_log(operations[index]), ends[index] + pack.count)


def _log(operation: Operation) -> str:
    assert isinstance(operation, Append)
    return key_text(operation.log)


def _is_any_ours(stored: Sequence[Item | None], token: str) -> bool:
    return any(item.get("w", {}).get("S") == token for item in stored if item)


def _check_limits(steps: Sequence[_Step]) -> None:
    """Refuse what DynamoDB does not take in one transaction.

    Raises:
        UsageError: too many operations, or too many bytes.
    """
    if len(steps) > MAX_OPERATIONS:
        raise UsageError(
            f"a batch has {len(steps)} operations; DynamoDB takes {MAX_OPERATIONS}",
            hint="write in several batches, the one that decides first",
        )
    size = sum(step.size for step in steps)
    if size > MAX_BYTES:
        raise UsageError(
            f"the records and entries of a batch take {size} bytes; DynamoDB takes {MAX_BYTES}",
            hint="write in several batches, the one that decides first",
        )
