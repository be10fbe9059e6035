"""Read what others say about nodes: the list of a node, and announcements on Nostr. Pure.

Sources: NIP-01 (events, their ids and signatures, replaceable kinds), Routstr's announcement, which is kind
38421 with the tags `d`, `u` (addresses), `mint` and `version` and a profile as its content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast
from urllib.parse import urlsplit

from holdfast.routing.ecash import curve
from holdfast.routing.ecash.records import FoundNode

KIND: Final = 38421
_MOST = 500
_MOST_TEXT = 200
_MOST_AHEAD_MS = 3_600_000
"""How far a clock may be ahead of ours. What is dated later would never be superseded."""
_HERE = ("localhost", "127.0.0.1", "::1")
_HEX = frozenset("0123456789abcdef")
Table = Mapping[str, object]


def read_providers(document: object, source: str, now_ms: int) -> list[FoundNode]:
    """Return the nodes that a node lists."""
    listed = cast("Table", document).get("providers") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        return []
    found: list[FoundNode] = []
    for each in cast("list[object]", listed)[:_MOST]:
        table = _table(each)
        table = _table(table.get("provider")) or table
        url = _address([table.get("endpoint_url"), *_texts(table.get("endpoint_urls"))])
        if url is not None:
            found.append(
                FoundNode(
                    url=url,
                    name=_text(table.get("name")) or "unnamed",
                    mints=_mints(_texts(table.get("mint_urls"))),
                    author=_text(table.get("pubkey")),
                    source=source,
                    version=_text(table.get("version")),
                    said_at_ms=now_ms,
                )
            )
    return found


def newest_events(events: Iterable[object], now_ms: int) -> list[Table]:
    """Return the announcements that are signed by their authors, of each author and `d` the newest."""
    newest: dict[tuple[str, str], Table] = {}
    for event in map(_table, events):
        if event.get("kind") != KIND or not is_signed_event(event):
            continue
        if cast("int", event["created_at"]) * 1000 > now_ms + _MOST_AHEAD_MS:
            continue
        place = cast("str", event["pubkey"]), next(iter(_tags(event, "d")), "")
        known = newest.get(place)
        if known is None or _age(event) > _age(known):
            newest[place] = event
    return list(newest.values())


def read_announcement(event: Table, source: str) -> FoundNode | None:
    """Return the node that an announcement is about, None if it names no address."""
    url = _address(_tags(event, "u"))
    if url is None:
        return None
    try:
        profile = _table(cast("object", json.loads(cast("str", event.get("content")) or "{}")))
    except (ValueError, TypeError, RecursionError):
        profile = _table(None)
    return FoundNode(
        url=url,
        name=_text(profile.get("name")) or "unnamed",
        mints=_mints(_tags(event, "mint")),
        author=cast("str", event["pubkey"]),
        source=source,
        version=_text(next(iter(_tags(event, "version")), "")),
        said_at_ms=cast("int", event["created_at"]) * 1000,
    )


def is_signed_event(event: Table) -> bool:
    """Whether an event is one of NIP-01, and was signed by its author."""
    key, stamp, sign = (event.get(name) for name in ("pubkey", "id", "sig"))
    created, kind, tags, content = (
        event.get(name) for name in ("created_at", "kind", "tags", "content")
    )
    if not all(isinstance(each, str) and _HEX.issuperset(each) for each in (key, stamp, sign)):
        return False
    if not isinstance(created, int) or not 0 <= created < 2**40 or not isinstance(content, str):
        return False
    if not isinstance(kind, int) or not _are_tags(tags):
        return False
    told = json.dumps(
        [0, key, created, kind, tags, content], ensure_ascii=False, separators=(",", ":")
    )
    digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()
    if digest.hex() != stamp:
        return False
    try:
        signature, author = bytes.fromhex(cast("str", sign)), bytes.fromhex(cast("str", key))
    except ValueError:
        return False
    return curve.is_schnorr(signature, digest, author)


def _are_tags(tags: object) -> bool:
    """Whether these are lists of texts; anything deeper could be too deep to be written."""
    rows = cast("list[object]", tags) if isinstance(tags, list) else [None]
    return all(isinstance(row, list) and _are_texts(cast("list[object]", row)) for row in rows)


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(each, str) for each in values)


def _age(event: Table) -> tuple[int, str]:
    """Return what tells the newer of two events: of one second, the one with the lower id counts."""
    inverted = "".join(f"{15 - int(digit, 16):x}" for digit in cast("str", event["id"]))
    return cast("int", event["created_at"]), inverted


def _tags(event: Table, name: str) -> list[str]:
    tags = event.get("tags")
    if not isinstance(tags, list):
        return []
    rows = [_texts(each) for each in cast("list[object]", tags)[:_MOST]]
    return [row[1] for row in rows if len(row) > 1 and row[0] == name]


def _address(urls: Iterable[object]) -> str | None:
    """Return the first address that can be asked from here, with the path of the interface.

    What is sent there is money: only an address that nobody between can read along, of a host that
    is named as it is.
    """
    for url in urls:
        if not isinstance(url, str) or len(url) > _MOST_TEXT:
            continue
        if not (url.isascii() and url.isprintable()) or " " in url:
            continue
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            is_plain = parts.port != 0 and parts.username is None
        except ValueError:
            continue
        is_private = parts.scheme == "https" or (parts.scheme == "http" and host in _HERE)
        if is_plain and is_private and host and not host.endswith(".onion"):
            plain = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
            return plain if plain.endswith("/v1") else f"{plain}/v1"
    return None


def _mints(urls: Sequence[str]) -> tuple[str, ...]:
    kept = (url.rstrip("/") for url in urls if url.startswith(("http://", "https://")))
    return tuple(url for url in kept if url.isprintable() and " " not in url)[:20]


def _text(value: object) -> str:
    words = " ".join(value.split()) if isinstance(value, str) else ""
    return "".join(each for each in words[:_MOST_TEXT] if each.isprintable())


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        return []
    return [each for each in cast("list[object]", value) if isinstance(each, str)]


def _table(value: object) -> Table:
    return cast("Table", value) if isinstance(value, Mapping) else {}
