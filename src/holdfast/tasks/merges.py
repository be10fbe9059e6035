"""Notice that two clones of the store were merged, and bring what is derived up to the logs.

Reading a task needs none of this: `read_task` sees that its log was rearranged. The indexes do, and
the tasks that wait for one that ended in the other clone. A merge leaves a record `("merged",
digest)` for whoever derives something from logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.clock import Clock
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import Delete, Key, Store

if TYPE_CHECKING:
    from holdfast.tasks.repairing import Repaired

MERGES: Key = ("merged",)
_MOST = 100


async def settle_merges(store: Store, clock: Clock) -> Repaired | None:
    """Repair the tasks if the store was merged since the last time; return what was done.

    Costs one look at the store if it was not.
    """
    merges = await store.scan(MERGES, limit=_MOST)
    if not merges:
        return None
    from holdfast.tasks.repairing import repair  # noqa: PLC0415 - only behind a merge

    report = await repair(store, clock, dry_run=False)
    for record in merges:
        await write_all(store, [Delete(key=record.key, expected=record.version)])
    return report
