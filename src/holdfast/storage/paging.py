"""Walk through records and logs page by page, so that no caller has to."""

from __future__ import annotations

from collections.abc import AsyncIterator

from holdfast.storage.seam import Key, Listing, Record, Store

_PAGE = 500


async def every_record(
    store: Store, prefix: Key, *, after: Key | None = None, page: int = _PAGE
) -> AsyncIterator[Record]:
    """Give all live records below a prefix, in key order, as `Store.scan` promises them."""
    while True:
        records = await store.scan(prefix, after=after, limit=page)
        for record in records:
            yield record
        if len(records) < page:
            return
        after = records[-1].key


async def every_log(store: Listing, prefix: Key) -> AsyncIterator[Key]:
    """Give the names of all logs below a prefix, in order."""
    after: Key | None = None
    while True:
        names = await store.logs(prefix, after=after, limit=_PAGE)
        for name in names:
            yield name
        if len(names) < _PAGE:
            return
        after = names[-1]
