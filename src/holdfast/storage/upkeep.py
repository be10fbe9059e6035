"""Find who looks after a store, by its address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import UsageError
from holdfast.storage.maintenance import Upkeep
from holdfast.storage.opening import open_store

if TYPE_CHECKING:
    from holdfast.clock import Clock

_TOOLS = {
    "postgres": "`pg_dump` and `pg_restore`, `VACUUM`, `pg_amcheck`",
    "postgresql": "`pg_dump` and `pg_restore`, `VACUUM`, `pg_amcheck`",
    "redis": "`BGSAVE`, `BGREWRITEAOF`, `redis-check-aof`",
    "rediss": "`BGSAVE`, `BGREWRITEAOF`, `redis-check-aof`",
    "dynamodb": "backups and point-in-time recovery of the table",
}


def upkeep_of(url: str, *, clock: Clock) -> Upkeep:
    """Return who looks after the store at `url`.

    Raises:
        UsageError: the address is wrong, or the store is kept by a server that has its own tools.
    """
    scheme, _, rest = url.partition(":")
    if scheme in _TOOLS:
        raise UsageError(
            f"a {scheme} store is looked after by its server",
            hint=f"use its own tools: {_TOOLS[scheme]}; `holdfast store export` and `import` work "
            "with every store",
        )
    open_store(url, clock=clock)  # nothing is opened by that; a wrong address is refused
    match scheme:
        case "files":
            from holdfast.storage.files.upkeep.keeper import FilesUpkeep  # noqa: PLC0415 - late

            return FilesUpkeep(Path(rest.partition("?")[0]), clock=clock)
        case "sqlite":
            from holdfast.storage.sqlite.upkeep import SqliteUpkeep  # noqa: PLC0415 - late

            return SqliteUpkeep(Path(rest), clock=clock)
        case _:
            raise UsageError(
                f"there is nothing to look after in a {scheme} store",
                hint="name another one with --store",
            )
