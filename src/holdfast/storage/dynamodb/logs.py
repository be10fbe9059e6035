"""Append to logs and read them, without transactions.

The entries of an append are one item, its *pack*, under the number of its first entry. Packs
are only ever created, and only behind one that ends at the number before. So whoever creates the
pack of a number has appended, all others are refused, and there can be no gap. A request that
was sent twice finds its own token in the pack that refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.errors import StorageError
from holdfast.ids import new_run_id
from holdfast.storage.dynamodb import errors
from holdfast.storage.dynamodb.endpoint import Endpoint
from holdfast.storage.dynamodb.items import Item, Names, key_of, key_text, text
from holdfast.storage.dynamodb.packs import (
    Pack,
    first_of,
    first_text,
    last_of,
    make_pack,
    parts_query,
    split,
)
from holdfast.storage.dynamodb.records import within
from holdfast.storage.dynamodb.turns import Turns
from holdfast.storage.seam import ABSENT, ANY, Conflict, Entry, Key

_MOST_KEYS = 100
"""What one request may ask for by key."""

_MAX_KNOWN_ENDS = 10_000


class Logs:
    """The logs of one store."""

    def __init__(self, endpoint: Endpoint, names: Names) -> None:
        self._endpoint = endpoint
        self._names = names
        # Where packs end. A log never shrinks, so this may be old but not wrong.
        self._ends: dict[str, int] = {}
        self.turns = Turns()

    async def append(self, key: Key, entries: Sequence[bytes], expected: int) -> int | Conflict:
        log = key_text(key)
        async with self.turns.of([log]):
            if not entries:
                end = await self.find_end(log)
                return end if expected in (ANY, end) else Conflict(end)
            pack = make_pack(self._names, log, entries, new_run_id())
            return await self._append(log, pack, expected)

    async def read(self, key: Key, after: int, limit: int | None) -> Sequence[Entry]:
        after = max(after, 0)
        if limit is not None and limit <= 0:
            return []
        log = key_text(key)
        packs = await self._endpoint.query(self._packs(log, after), limit)
        begins = first_of(packs[0]) if packs else None
        if after and begins != after + 1 and self._ends.get(log) != after:
            packs = (*await self._pack_around(log, after), *packs)
        for pack in packs[-1:]:
            self.learn(log, last_of(pack))
        entries = [entry for pack in packs for entry in await self._entries(pack)]
        return [entry for entry in entries if entry.number > after][:limit]

    async def names(self, prefix: Key, after: Key | None, limit: int) -> Sequence[Key]:
        """Return the names of logs with entries. A name is written before the first entry."""
        found: list[Key] = []
        while len(found) < limit:
            query = within(self._names.log_names, prefix, after)
            if query is None:
                break
            page = await self._endpoint.query(query, _MOST_KEYS)
            logs = [str(item["s"]["S"]) for item in page]
            filled = await self._filled(logs)
            found += [key_of(item) for item in page if item["s"]["S"] in filled]
            if len(page) < _MOST_KEYS:
                break
            after = key_of(page[-1])
        return found[: max(limit, 0)]

    async def find_end(self, log: str) -> int:
        """Return the number of the last entry, as it is now."""
        query = {**self._between(log, first_text(0), "f"), "ScanIndexForward": False}
        query["ProjectionExpression"] = "n"
        packs = await self._endpoint.query(query, 1)
        end = last_of(packs[0]) if packs else 0
        self.learn(log, end)
        return end

    async def end_for(self, log: str, expected: int) -> int:
        """Return where a pack may begin, without a look where it is known.

        It may be old then; the condition of the pack will tell.
        """
        if expected == ABSENT:
            return 0
        known = self._ends.get(log)
        return known if known and expected in (ANY, known) else await self.find_end(log)

    def learn(self, log: str, end: int) -> None:
        """Remember where a pack of a log ends."""
        if len(self._ends) >= _MAX_KNOWN_ENDS:
            self._ends.clear()
        self._ends[log] = max(end, self._ends.get(log, 0))

    def forget(self, log: str) -> None:
        """Look at the log when it is next written."""
        self._ends.pop(log, None)

    async def lay_out(self, log: str, pack: Pack, end: int) -> None:
        """Write what must be there before a pack appears behind `end`."""
        for part in pack.parts:
            await self._endpoint.call("put_item", Item=part)
        if end == 0:
            await self._endpoint.call("put_item", Item=self._names.log_name(log))

    async def clear_away(self, pack: Pack) -> None:
        """Remove the parts of a pack that will not appear."""
        for part in pack.parts:
            try:
                key = {"p": part["p"], "s": part["s"]}
                await self._endpoint.call("delete_item", Key=key)
            except StorageError:
                return  # they take space and nothing else

    async def _append(self, log: str, pack: Pack, expected: int) -> int | Conflict:
        laid_out = False
        while True:
            end = await self.end_for(log, expected)
            if expected not in (ANY, end):
                return await self._refuse(pack, end, laid_out=laid_out)
            if not laid_out:
                await self.lay_out(log, pack, end)
                laid_out = True
            if await self._create(pack.item(end)):
                self.learn(log, end + pack.count)
                return end + pack.count
            self.forget(log)
            if expected != ANY:
                end = await self.find_end(log)
                return await self._refuse(pack, end, laid_out=laid_out)

    async def _refuse(self, pack: Pack, end: int, *, laid_out: bool) -> Conflict:
        if laid_out:
            await self.clear_away(pack)
        return Conflict(end)

    async def _create(self, item: Item) -> bool:
        """Create a pack; False if there is another one."""
        try:
            await self._endpoint.call(
                "put_item",
                Item=item,
                ConditionExpression="attribute_not_exists(p)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except errors.ConditionFailed as refused:
            key = {"p": item["p"], "s": item["s"]}
            stored = refused.item or await self._endpoint.get(key, "w")
            return stored is not None and stored["w"] == item["w"]
        return True

    async def _entries(self, pack: Item) -> Sequence[Entry]:
        query = parts_query(pack)
        items = await self._endpoint.query(query, None) if query else [pack]
        return [Entry(number, value) for number, value in enumerate(split(items), first_of(pack))]

    async def _pack_around(self, log: str, after: int) -> Sequence[Item]:
        """Return the pack that begins at `after` or before, if there is one."""
        query = self._between(log, first_text(0), first_text(after))
        return await self._endpoint.query({**query, "ScanIndexForward": False}, 1)

    async def _filled(self, logs: Sequence[str]) -> set[str]:
        """Return those of at most 100 logs that have entries."""
        sort = text(first_text(1))
        keys = [{"p": text(self._names.log(log)), "s": sort} for log in logs]
        found: set[str] = set()
        while keys:
            wanted = {"Keys": keys, "ConsistentRead": True, "ProjectionExpression": "p"}
            table = self._endpoint.address.table
            answer = await self._endpoint.send("batch_get_item", RequestItems={table: wanted})
            found |= {item["p"]["S"] for item in answer["Responses"].get(table, ())}
            keys = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        return {log for log in logs if self._names.log(log) in found}

    def _packs(self, log: str, after: int) -> dict[str, Any]:
        return self._between(log, first_text(after + 1), "f")

    def _between(self, log: str, low: str, high: str) -> dict[str, Any]:
        return {
            "ConsistentRead": True,
            "KeyConditionExpression": "p = :p AND s BETWEEN :low AND :high",
            "ExpressionAttributeValues": {
                ":p": text(self._names.log(log)),
                ":low": text(low),
                ":high": text(high),
            },
        }
