"""Read and write records, each in one round trip unless something is in the way.

A write whose answer was lost is settled by looking: each state of an item carries the token of
the write that made it, and each write counts the version up by one.

- Our token: the write was applied, and its version stands beside it.
- A version that was expected and is still there: it was not applied, so it is sent once more.
- The version behind the expected one, with another token: another writer was first. A `Conflict`.
- Anything else: nobody can know, and the caller is told so (`OutcomeUnknown`).

A write with `ANY` is sent once more instead: it takes whatever is there, and its caller said so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from holdfast.clock import Clock
from holdfast.errors import OutcomeUnknown
from holdfast.ids import new_run_id
from holdfast.storage.dynamodb import errors
from holdfast.storage.dynamodb.changes import Change, Changes
from holdfast.storage.dynamodb.endpoint import Endpoint
from holdfast.storage.dynamodb.items import (
    MAX_SORT_KEY_BYTES,
    Item,
    Names,
    due_text,
    is_live,
    key_of,
    key_text,
    number,
    record_of,
    text,
    version_of,
)
from holdfast.storage.dynamodb.table import INDEX
from holdfast.storage.dynamodb.turns import Turns
from holdfast.storage.keys import encode_prefix
from holdfast.storage.seam import ABSENT, ANY, Conflict, Key, Record

_TRIES = 10
_CANDIDATES = 25


class Records:
    """The records of one store."""

    def __init__(self, endpoint: Endpoint, names: Names, clock: Clock) -> None:
        self._endpoint = endpoint
        self._names = names
        self._clock = clock
        self._turns = Turns()

    async def get(self, key: Key) -> Record | None:
        item = await self._endpoint.get(self._names.record(key))
        return record_of(item) if item and is_live(item, self._clock.now_ms()) else None

    async def put(
        self, key: Key, value: bytes, expected: int, expires_at: int | None, due_at: int | None
    ) -> int | Conflict:
        written = await self._write(
            lambda changes: changes.put(key, value, expected, expires_at, due_at), "UPDATED_NEW"
        )
        return written if isinstance(written, Conflict) else version_of(written)

    async def delete(self, key: Key, expected: int) -> Conflict | None:
        if expected == ABSENT:
            record = await self.get(key)
            return Conflict(record.version) if record else None
        written = await self._write(
            lambda changes: changes.delete(key, expected, leave_absent=True), "NONE"
        )
        return written if isinstance(written, Conflict) else None

    async def scan(self, prefix: Key, after: Key | None, limit: int) -> Sequence[Record]:
        query = within(self._names.records, prefix, after)
        if query is None or limit <= 0:
            return []
        query["FilterExpression"] = "attribute_exists(d) AND (attribute_not_exists(e) OR e > :now)"
        query["ExpressionAttributeValues"][":now"] = number(self._clock.now_ms())
        return [record_of(item) for item in await self._endpoint.query(query, limit)]

    async def claim(self, queue: Key, until: int) -> Record | None:
        """Lease the record that is due longest.

        The index follows the table with a delay of some milliseconds: a record that was put just
        now may be missed, and one that was taken just now is refused by its version.
        """
        async with self._turns.of([self._names.queue(queue)]):
            return await self._claim(queue, until)

    def changes(self, token: str) -> Changes:
        """Return what makes changes at this moment."""
        return Changes(names=self._names, token=token, now=self._clock.now_ms())

    async def _claim(self, queue: Key, until: int) -> Record | None:
        tried: set[tuple[Key, int]] = set()
        while True:
            due = [
                candidate
                for item in await self._endpoint.query(self._due(queue), _CANDIDATES)
                if (candidate := (key_of(item), version_of(item))) not in tried
            ]
            if not due:
                return None
            for candidate in due:
                tried.add(candidate)
                written = await self._write(partial(_lease, candidate, until), "ALL_NEW")
                if not isinstance(written, Conflict):
                    return record_of(written)

    async def _write(self, make: Callable[[Changes], Change], answer: str) -> Item | Conflict:
        """Apply a change and return the attributes that `answer` names."""
        lost: Exception | None = None
        token = new_run_id()
        for _ in range(_TRIES):
            # Each time anew, as what expires is judged by the time that it says.
            change = make(self.changes(token))
            try:
                request = change.arguments()
                done = await self._endpoint.call("update_item", ReturnValues=answer, **request)
                return done.get("Attributes", {})
            except errors.ConditionFailed as refused:
                stored = refused.item or await self._endpoint.get(change.key)
            except OutcomeUnknown as error:
                lost = error
                stored = await self._endpoint.get(change.key)
            settled = self._settle(change, stored, lost)
            if settled is not None:
                return settled
        raise errors.contended(self._endpoint.address)

    def _settle(
        self, change: Change, stored: Item | None, lost: Exception | None
    ) -> Item | Conflict | None:
        """Return how a write ended by what is stored now; None to send it once more."""
        if stored and stored["w"]["S"] == change.token:
            return stored
        current = self.current(stored)
        if change.deletes and current == 0 and change.expected == ANY:
            return {}
        if lost and _is_undecided(change, stored):
            raise errors.unknown(self._endpoint.address, None) from lost
        return None if change.expected in (ANY, current) else Conflict(current)

    def current(self, stored: Item | None) -> int:
        """Return the version that callers see."""
        return version_of(stored) if is_live(stored, self._clock.now_ms()) else 0

    def _due(self, queue: Key) -> dict[str, Any]:
        now = self._clock.now_ms()
        return {
            "IndexName": INDEX,
            "KeyConditionExpression": "q = :q AND u < :u",
            "FilterExpression": "attribute_not_exists(e) OR e > :now",
            "ExpressionAttributeValues": {
                ":q": text(self._names.queue(queue)),
                ":u": text(due_text(now + 1)),
                ":now": number(now),
            },
        }


def within(partition: str, prefix: Key, after: Key | None) -> dict[str, Any] | None:
    """Return the query for the keys below `prefix` and behind `after`; None if none can be."""
    low = encode_prefix(prefix).decode()
    if len(low.encode()) > MAX_SORT_KEY_BYTES:
        return None
    query: dict[str, Any] = {
        "ConsistentRead": True,
        "KeyConditionExpression": "p = :p AND begins_with(s, :s)" if low else "p = :p",
        "ExpressionAttributeValues": {":p": text(partition), **({":s": text(low)} if low else {})},
    }
    if after is not None and (start := key_text(after)) >= low:
        if not start.startswith(low):
            return None
        query["ExclusiveStartKey"] = {"p": text(partition), "s": text(start)}
    return query


def _lease(candidate: tuple[Key, int], until: int, changes: Changes) -> Change:
    return changes.lease(*candidate, until)


def _is_undecided(change: Change, stored: Item | None) -> bool:
    """Return whether a write whose answer was lost may have been applied and covered since."""
    if stored is None or change.expected == ANY:
        return False
    return change.expected == ABSENT or version_of(stored) > change.expected + 1
