"""Keep of a foreign task what an export could not make again, and give it back. Pure.

`raw` is a task as a file has it, `fresh` what the format makes of what Holdfast knows of it. Where
the two agree nothing has to be kept. Where they do not, both are: as long as an export makes the
same `fresh` as the import did, nobody has changed that member here, and the `raw` one goes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Any, cast

Json = dict[str, Any]
Lists = Mapping[str, Callable[[object], Hashable]]


def difference(
    raw: Mapping[str, object], fresh: Mapping[str, object], *, is_ordered: bool = False
) -> Json:
    """Return what to keep beside a task to be able to write `raw` again, in its order if wanted."""
    own = {name: value for name, value in raw.items() if name not in fresh}
    other = {
        name: [raw[name], value] if name in raw else [value]
        for name, value in fresh.items()
        if name not in raw or not _same(raw[name], value)
    }
    kept: Json = {}
    if own:
        kept["own"] = own
    if other:
        kept["as"] = other
    order = list(raw)
    if is_ordered and order != list(merged(fresh, kept, {})):
        kept["order"] = order
    return kept


def merged(fresh: Mapping[str, object], kept: Mapping[str, Any], lists: Lists) -> Json:
    """Return a task as its format should have it now: `fresh`, and what was kept."""
    found: Json = dict(fresh)
    for name, pair in cast("dict[str, list[object]]", kept.get("as", {})).items():
        raw, then = (pair[0], pair[1]) if len(pair) == 2 else (None, pair[0])
        if name in fresh and _same(fresh[name], then):
            if len(pair) == 2:
                found[name] = raw
            else:
                del found[name]
        elif name in fresh and name in lists and len(pair) == 2:
            found[name] = _merge_list(
                cast("list[object]", raw), then, fresh[name], identity=lists[name]
            )
    found |= {name: value for name, value in kept.get("own", {}).items() if name not in found}
    order = [name for name in kept.get("order", ()) if name in found]
    return {name: found[name] for name in dict.fromkeys([*order, *found])}


def _merge_list(
    raw: list[object], then: Any, now: Any, *, identity: Callable[[object], Hashable]
) -> list[object]:
    """Return a list with what was added and taken out here, the rest as it was.

    What an element says besides its identity is all the file's: we only number the comments.
    """
    before, after = _numbered(then, identity), _numbered(now, identity)
    kept = [
        each
        for name, each in _numbered(raw, identity).items()
        if name not in before or name in after
    ]
    return [*kept, *(each for name, each in after.items() if name not in before)]


def _numbered(
    values: list[object], identity: Callable[[object], Hashable]
) -> dict[tuple[Hashable, int], object]:
    """Return values by what tells them apart; those that nothing does are counted."""
    seen: Counter[Hashable] = Counter()
    found: dict[tuple[Hashable, int], object] = {}
    for each in values:
        name = identity(each)
        seen[name] += 1
        found[name, seen[name]] = each
    return found


def _same(one: object, other: object) -> bool:
    """Whether two values are the same JSON; 1, 1.0 and true are not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        left, right = cast("Json", one), cast("Json", other)
        return left.keys() == right.keys() and all(
            _same(value, right[name]) for name, value in left.items()
        )
    if isinstance(one, list):
        first, second = cast("list[object]", one), cast("list[object]", other)
        return len(first) == len(second) and all(map(_same, first, second))
    return one == other
