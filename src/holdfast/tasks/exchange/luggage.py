"""What an imported task carries in its metadata, under the name of the format it came from. Pure.

`id` and `space` say which task of the other tracker it is, `digest` how that stood at the last import,
`seen` holds hashes of what an import made of it, by which the next one knows who changed what since,
and `kept` is what the export gives back (see `keeping`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from holdfast.tasks.codec import to_bytes
from holdfast.tasks.exchange.histories import fingerprints, normal
from holdfast.tasks.exchange.keeping import difference, merged
from holdfast.tasks.exchange.seam import Format, Item, Raw
from holdfast.tasks.record import Task

Json = dict[str, Any]


def luggage_of(task: Task, format_name: str) -> Json:
    """Return what a task carries for a format, empty if it never came from there."""
    found = task.metadata.get(format_name)
    return cast("Json", found) if isinstance(found, dict) and "id" in found else {}


def pack(form: Format, item: Item, wanted: Item) -> Json:
    """Return what a task has to carry; `wanted` is what an import makes of the item."""
    seen = {name: each for name, each in fingerprints(wanted).items() if each != _UNSAID[name]}
    found: Json = {"id": item.id, "digest": digest_of(form, item), "seen": seen}
    if item.space:
        found["space"] = item.space
    kept = difference(item.raw, form.render(wanted), is_ordered=form.is_ordered)
    return {**found, "kept": kept} if kept else found


def digest_of(form: Format, item: Item) -> str:
    """Return a hash of a foreign task and of what it has to do with others that are known."""
    stable = {name: value for name, value in item.raw.items() if name not in form.fleeting}
    edges = (item.blocked_by, item.parent, item.relates, item.discovered_from)
    ordered = to_bytes([sorted_members(stable), edges], what="a task to import")
    return hashlib.sha256(ordered).hexdigest()[:32]


def sorted_members(value: object) -> object:
    """Return JSON with the members of objects in one order."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value)
        return {name: sorted_members(members[name]) for name in sorted(members)}
    if isinstance(value, list | tuple):
        return [sorted_members(each) for each in cast("Sequence[object]", value)]
    return value


def unpack(form: Format, carried: Json, item: Item) -> Raw:
    """Return a task as the file of a format has it, with what it carries."""
    return merged(form.render(item), carried.get("kept", {}), form.lists)


def seen_of(carried: Json) -> dict[str, Any]:
    """Return the hashes of what the last import made of a task, empty if there was none."""
    return {**_UNSAID, **carried.get("seen", {})} if carried else {}


def base_of(form: Format, carried: Json, now: Item) -> dict[str, Any]:
    """Return the hashes that the other side was made from.

    For a task that never came from there, they are those of what an export of it would say.
    """
    if carried:
        return seen_of(carried)
    told = form.parse(form.render(now), now.place, lambda _: None)
    return dict(fingerprints(normal(told))) if told else {}


_UNSAID = fingerprints(Item(id=""))
"""The hashes of what a task does not say, which need not be carried."""
