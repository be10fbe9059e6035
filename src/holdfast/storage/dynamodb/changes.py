"""Say to DynamoDB how a record changes and under which condition.

Each change counts the version up on the server, so it takes one round trip and reads nothing.
What is deleted leaves an invisible item that keeps counting, and so does what has expired. The
server's clean-up takes them a day later. A record that has no item then begins at the clock's
milliseconds: the versions of DynamoDB grow slower than that (a partition takes 1000 writes a
second), so they shrink only if a clock went back by more than the day. A counter would cost a
round trip a write, and a slow writer could still come in with a number that is too small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.storage.dynamodb.items import (
    KEEP_SECONDS,
    Item,
    Names,
    due_text,
    item_size,
    number,
    text,
)
from holdfast.storage.seam import ABSENT, ANY, Key

_LIVE = "attribute_exists(d) AND (attribute_not_exists(e) OR e > :now)"
_ABSENT = "(attribute_not_exists(d) OR e <= :now)"
_NEXT = "v = if_not_exists(v, :base) + :one, w = :w"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A conditional update of one item. `token` marks the state that it makes."""

    key: Item
    expected: int
    token: str
    update: str | None
    condition: str | None
    values: Item
    size: int = 0
    deletes: bool = False

    def arguments(self) -> Mapping[str, Any]:
        """Return what `UpdateItem` and the member of a transaction have in common."""
        found: dict[str, Any] = {
            "Key": self.key,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if self.values:
            found["ExpressionAttributeValues"] = self.values
        if self.update:
            found["UpdateExpression"] = self.update
        if self.condition:
            found["ConditionExpression"] = self.condition
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What makes the changes of one store at one time."""

    names: Names
    token: str
    now: int

    def put(
        self, key: Key, value: bytes, expected: int, expires_at: int | None, due_at: int | None
    ) -> Change:
        """Write a record."""
        content: dict[str, Mapping[str, Any]] = {"d": {"B": bytes(value)}}
        if expires_at is not None:
            content["e"] = number(expires_at)
            content["t"] = number(self._cleaned_at(expires_at))
        if due_at is not None:
            content["q"] = text(self.names.queue(key[:-1]))
            content["u"] = text(due_text(due_at, key))
        gone = [name for name in ("e", "t", "q", "u") if name not in content]
        sets = "".join(f", {name} = :{name}" for name in content)
        condition, bound = self._condition(expected)
        item = self.names.record(key)
        return Change(
            key=item,
            expected=expected,
            token=self.token,
            update=f"SET {_NEXT}{sets}" + (f" REMOVE {', '.join(gone)}" if gone else ""),
            condition=condition,
            values={
                **self._counting(),
                **{f":{name}": each for name, each in content.items()},
                **bound,
            },
            size=item_size({**item, **content, "v": number(self.now), "w": text(self.token)}),
        )

    def delete(self, key: Key, expected: int, *, leave_absent: bool) -> Change:
        """Remove a record; with `leave_absent` the change is refused if there is none."""
        condition, bound = self._condition(expected)
        if expected == ANY and leave_absent:
            condition = "attribute_exists(d)"
        return Change(
            key=self.names.record(key),
            expected=expected,
            token=self.token,
            update=f"SET {_NEXT}, t = :t REMOVE d, e, q, u",
            condition=condition,
            values={**self._counting(), ":t": number(self._cleaned_at(self.now)), **bound},
            deletes=True,
        )

    def check_absent(self, key: Key) -> Change:
        """Change nothing, under the condition that there is no record."""
        condition, bound = self._condition(ABSENT)
        return Change(
            key=self.names.record(key),
            expected=ABSENT,
            token=self.token,
            update=None,
            condition=condition,
            values=bound,
        )

    def lease(self, key: Key, version: int, until: int) -> Change:
        """Make a due record due at another time."""
        condition, bound = self._condition(version)
        return Change(
            key=self.names.record(key),
            expected=version,
            token=self.token,
            update=f"SET {_NEXT}, u = :u",
            condition=condition,
            values={**self._counting(), ":u": text(due_text(until, key)), **bound},
        )

    def _counting(self) -> Item:
        base = number(max(self.now, 0))
        return {":base": base, ":one": number(1), ":w": text(self.token)}

    def _condition(self, expected: int) -> tuple[str | None, Item]:
        """Return the condition for an expected version, and the values that it names."""
        if expected == ANY:
            return None, {}
        if expected == ABSENT:
            return _ABSENT, {":now": number(self.now)}
        return f"v = :v AND {_LIVE}", {":v": number(expected), ":now": number(self.now)}

    def _cleaned_at(self, end: int) -> int:
        """Return the second at which the server may remove what ends at `end`."""
        return -(-max(end, self.now) // 1000) + KEEP_SECONDS
