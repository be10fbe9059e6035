"""How much an owner has, and may have.

What an owner has stands in one record, which every change that counts rewrites with the version it
was decided on: so of many that create at once none exceeds the limit by one. A task that expires gives
its place back without anybody doing anything: before a creation is refused, the open tasks are
counted anew, and an expired one is absent.

A store that cannot batch cannot keep this promise, so limits are refused there rather than kept
more or less.
"""

from __future__ import annotations

from holdfast.errors import QuotaExceeded, StorageTooNew, UsageError
from holdfast.frozen import frozen, replace
from holdfast.storage.paging import every_record
from holdfast.storage.seam import ABSENT, Store, can_batch
from holdfast.tasks.codec import from_bytes, to_bytes
from holdfast.tasks.keys import charge, decode_open, quota_key
from holdfast.tasks.loading import Held
from holdfast.tasks.requests import Limits
from holdfast.tasks.snapshots import encode_snapshot
from holdfast.tasks.unit import Unit

_FORMAT = 1
_WINDOW_MS = 60_000


@frozen
class Quota:
    """What an owner has: open tasks, the bytes of their records, and creations in the window."""

    live: int = 0
    bytes: int = 0
    window_at: int = 0
    created: int = 0


async def settle_quota(unit: Unit, limits: Limits) -> None:
    """Count what the unit changes, and let it depend on the count.

    An owner that was once counted is counted from then on, also by those who set no limits.

    Raises:
        QuotaExceeded: it would be more than the owner may have.
        UsageError: there are limits, and the store cannot batch.
    """
    if not can_batch(unit.store):
        _refuse_limits(limits)
        return
    if not limits.counts and not any(_opens_or_ends(held) for held in unit.held):
        return
    key = quota_key(unit.owner)
    record = await unit.store.get(key)
    if record is None and not limits.counts:
        return
    change = _change(unit)  # late: it takes the size of every record
    if change == Quota():
        return
    quota = decode_quota(record.value) if record else await count_anew(unit.store, unit.owner)
    after = _add(quota, change, unit.now)
    if record is not None and _is_over(after, change, limits):
        counted = await count_anew(unit.store, unit.owner)
        quota = replace(quota, live=counted.live, bytes=counted.bytes)
        after = _add(quota, change, unit.now)
    refuse(after, change, limits, unit.now)
    unit.guard(key, encode_quota(after), expected=record.version if record else ABSENT)


async def count_anew(store: Store, owner: str) -> Quota:
    """Count the open tasks of an owner; the window of creations is not known from them."""
    live = size = 0
    async for record in every_record(store, ("task-open", owner)):
        live += 1
        size += decode_open(record.value).size
    return Quota(live=live, bytes=size)


def refuse(after: Quota, change: Quota, limits: Limits, now: int) -> None:
    """Raise `QuotaExceeded` if a change leads to more than the limits allow.

    What does not add to a thing is never refused for it.
    """
    if change.live > 0 and limits.live is not None and after.live > limits.live:
        raise QuotaExceeded(
            f"the owner has {after.live - change.live} tasks that have not ended;"
            f" {limits.live} are allowed",
            hint="end some of them, or raise the limit",
        )
    if change.bytes > 0 and limits.bytes is not None and after.bytes > limits.bytes:
        raise QuotaExceeded(
            f"the open tasks of the owner would take {after.bytes} bytes; {limits.bytes} are allowed",
            hint="end some of them, make variables smaller, or raise the limit",
        )
    if change.created and limits.per_minute is not None and after.created > limits.per_minute:
        wait = (after.window_at + _WINDOW_MS - now) / 1000
        raise QuotaExceeded(
            f"the owner has made {after.created - change.created} tasks within a minute;"
            f" {limits.per_minute} are allowed",
            hint=f"try again in {wait:g} seconds",
            retry_after=wait,
        )


def encode_quota(quota: Quota) -> bytes:
    """Return the count as JSON."""
    value = (_FORMAT, quota.live, quota.bytes, quota.window_at, quota.created)
    return to_bytes(value, what="a quota")


def decode_quota(data: bytes) -> Quota:
    """Return the count that `encode_quota` wrote."""
    version, *values = from_bytes(data, what="a quota")
    if version != _FORMAT:
        raise StorageTooNew(
            f"a quota is stored in the format {version!r}; this version knows {_FORMAT}",
            hint="upgrade Holdfast",
        )
    live, size, window_at, created = values
    return Quota(live=live, bytes=size, window_at=window_at, created=created)


def _refuse_limits(limits: Limits) -> None:
    if limits.counts:
        raise UsageError(
            "this store cannot write a task and the count of tasks at once, so it keeps no limits",
            hint="use a store that can batch, or set no limits to what an owner may have",
        )


def _opens_or_ends(held: Held) -> bool:
    was_open = held.before is not None and not held.before.has_ended
    return held.before is None or was_open == held.task.has_ended


def _change(unit: Unit) -> Quota:
    """Return what the unit adds to the count; `created` are new tasks, `window_at` is not used."""
    live = size = created = 0
    for held in unit.held:
        was_open = held.before is not None and not held.before.has_ended
        is_open = not held.task.has_ended
        live += is_open - was_open
        size += (_charged(held) if is_open else 0) - (charge(held.size) if was_open else 0)
        created += held.before is None
    return Quota(live=live, bytes=size, created=created)


def _charged(held: Held) -> int:
    return charge(len(encode_snapshot(held.fold.snapshot())))


def _add(quota: Quota, change: Quota, now: int) -> Quota:
    is_over = not quota.window_at <= now < quota.window_at + _WINDOW_MS
    return Quota(
        live=max(0, quota.live + change.live),
        bytes=max(0, quota.bytes + change.bytes),
        window_at=now if is_over else quota.window_at,
        created=change.created + (0 if is_over else quota.created),
    )


def _is_over(after: Quota, change: Quota, limits: Limits) -> bool:
    try:
        refuse(after, change, limits, 0)
    except QuotaExceeded:
        return True
    return False
