"""Judge by a server's settings whether it keeps what it acknowledges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from holdfast.storage.redis.address import Address
from holdfast.storage.seam import Ack

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What a server told about itself; what it did not tell is `UNKNOWN`."""

    version: str = UNKNOWN
    cluster: bool = False
    append_only: str = UNKNOWN
    sync: str = UNKNOWN
    no_sync_on_rewrite: str = UNKNOWN
    eviction: str = UNKNOWN


def read_settings(info: bytes | None, config: Sequence[bytes] | None) -> ServerSettings:
    """Return the settings from the replies of `INFO` and `CONFIG GET`, None where forbidden."""
    facts = dict(_facts(info or b""))
    values = [each.decode(errors="replace") for each in config or ()]
    options: Mapping[str, str] = dict(zip(values[::2], values[1::2], strict=False))
    aof = {"0": "no", "1": "yes"}.get(facts.get("aof_enabled", ""), UNKNOWN)
    return ServerSettings(
        version=facts.get("redis_version", UNKNOWN),
        cluster=facts.get("cluster_enabled") == "1",
        append_only=options.get("appendonly", aof),
        sync=options.get("appendfsync", UNKNOWN),
        no_sync_on_rewrite=options.get("no-appendfsync-on-rewrite", UNKNOWN),
        eviction=options.get("maxmemory-policy", facts.get("maxmemory_policy", UNKNOWN)),
    )


def is_too_old(settings: ServerSettings) -> bool:
    """Whether the server lacks the read-only scripts of Redis 7."""
    major = settings.version.partition(".")[0]
    return major.isdigit() and int(major) < 7


def losses(settings: ServerSettings, ack: Ack) -> list[str]:
    """Return how the server may lose what it acknowledged: setting, consequence and remedy each.

    `ack` is what the caller asked for: `"memory"` asks that nothing survives the server's end.
    """
    found: list[str] = []
    if settings.eviction.startswith("allkeys"):
        found.append(
            f"maxmemory-policy is {settings.eviction!r}: records vanish when the memory is full; "
            "set 'maxmemory-policy noeviction'"
        )
    if ack == "memory":
        return found
    if settings.append_only == "no":
        found.append(
            "appendonly is 'no': writes since the last snapshot are lost when the server ends; "
            "set 'appendonly yes' and 'appendfsync always'"
        )
    elif settings.append_only == UNKNOWN or (ack == "disk" and settings.sync == UNKNOWN):
        found.append(
            "appendonly and appendfsync cannot be read by this user: by default writes are lost; "
            "make sure of 'appendonly yes' and 'appendfsync always'"
        )
    elif ack == "disk":
        found += _unsynced(settings)
    return found


def warning(address: Address, found: Sequence[str]) -> str:
    """Return the sentence that says loudly what `losses` found."""
    return (
        f"the Redis server {address.server!r} can lose writes that it acknowledged: "
        f"{'; '.join(found)} (`redis-cli CONFIG SET` and `CONFIG REWRITE`, or redis.conf)"
    )


def _unsynced(settings: ServerSettings) -> Iterator[str]:
    if settings.sync != "always":
        yield (
            f"appendfsync is {settings.sync!r}: the last seconds are lost at a power cut; "
            "set 'appendfsync always'"
        )
    if settings.no_sync_on_rewrite == "yes":
        yield (
            "no-appendfsync-on-rewrite is 'yes': what comes in while the log is rewritten is lost "
            "at a power cut; set 'no-appendfsync-on-rewrite no'"
        )


def _facts(info: bytes) -> Iterator[tuple[str, str]]:
    for line in info.decode(errors="replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name, value
