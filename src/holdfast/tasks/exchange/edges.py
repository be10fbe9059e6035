"""What the tasks of a file have to do with one another: what holds, and in which order to make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from holdfast.tasks.exchange.histories import has_begun
from holdfast.tasks.exchange.seam import Finding, Item, Report

_KEPT = "an export gives it back as it was; mend it and import once more"
_MISSING = "import that one as well; until then an export gives this back as it was"
_NAMES = {
    "blocked_by": "is blocked by",
    "parent": "is a part of",
    "relates": "relates to",
    "discovered_from": "was found from",
}


def drop_missing(item: Item, is_known: Callable[[str], bool], report: Report) -> Item:
    """Return the item without what it has to do with tasks that nobody knows, or with itself."""
    for name, word in _NAMES.items():
        for other in _others(item, name):
            if other == item.id:
                _tell(report, item, f"it {word} itself", _KEPT)
            elif not is_known(other):
                what = f"it {word} {other}, which is neither in the file nor here"
                _tell(report, item, what, _MISSING)
            else:
                continue
            item = _without(item, name, other)
    return item


def drop_begun(item: Item, has_ended: Callable[[str], bool], report: Report) -> Item:
    """Return the item without the open blockers that did not keep it from beginning."""
    if not has_begun(item):
        return item
    for other in item.blocked_by:
        if not has_ended(other):
            what = f"it has begun although {other}, which blocks it, has not ended"
            remedy = "Holdfast does not know that; it is kept, and given back by an export"
            _tell(report, item, what, remedy, weight="remark")
            item = _without(item, "blocked_by", other)
    return item


def put_in_order(items: Sequence[Item], report: Report) -> list[Item]:
    """Return the items so that what others need comes first, circles being cut and reported.

    A circle of blockers is cut at the last edge of it that is found, and so is one of parents. The two
    do not mix: a task may be blocked by a part of it.
    """
    by_id = {item.id: item for item in items}
    for name in ("parent", "blocked_by"):
        for path in _circles(by_id, name):
            item, other = by_id[path[-2]], path[-1]
            way = f" {_NAMES[name]} ".join(path)
            _tell(
                report,
                item,
                f"that is a circle: {way}",
                f"the last part of it was left out; {_KEPT}",
            )
            by_id[item.id] = _without(item, name, other)
    order = _walk(by_id, lambda item: [*item.blocked_by, *_others(item, "parent")])
    return [by_id[name] for name in order]


def _circles(by_id: Mapping[str, Item], name: str) -> list[list[str]]:
    """Return the circles, each from a task back to it; taking out each last edge leaves none."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in by_id:
        way = [start] if start not in done else []
        waiting = [iter(_others(by_id[start], name))] if way else []
        on_way = set(way)
        while waiting:
            other = next(waiting[-1], None)
            if other is None:
                waiting.pop()
                here = way.pop()
                on_way.discard(here)
                done.add(here)
            elif other in on_way:
                found.append([*way[way.index(other) :], other])
            elif other in by_id and other not in done:
                way.append(other)
                on_way.add(other)
                waiting.append(iter(_others(by_id[other], name)))
    return found


def _walk(by_id: Mapping[str, Item], needs: Callable[[Item], Iterable[str]]) -> list[str]:
    """Return the ids in such an order that what a task needs comes before it, as far as it can."""
    order: dict[str, None] = {}
    begun: set[str] = set()
    for start in by_id:
        waiting = [(start, iter(needs(by_id[start])))] if start not in begun else []
        begun.add(start)
        while waiting:
            here, rest = waiting[-1]
            other = next((each for each in rest if each in by_id and each not in begun), None)
            if other is None:
                waiting.pop()
                order[here] = None
            else:
                begun.add(other)
                waiting.append((other, iter(needs(by_id[other]))))
    return list(order)


def _others(item: Item, name: str) -> tuple[str, ...]:
    value: str | tuple[str, ...] = getattr(item, name)
    if isinstance(value, str):
        return (value,) if value else ()
    return value


def _without(item: Item, name: str, other: str) -> Item:
    if name == "parent":
        return replace(item, parent="")
    kept = tuple(each for each in _others(item, name) if each != other)
    match name:
        case "blocked_by":
            return replace(item, blocked_by=kept)
        case "relates":
            return replace(item, relates=kept)
        case _:
            return replace(item, discovered_from=kept)


def _tell(report: Report, item: Item, what: str, remedy: str, *, weight: str = "problem") -> None:
    report(
        Finding(
            weight="problem" if weight == "problem" else "remark",
            place=item.place,
            item=item.id,
            what=what,
            remedy=remedy,
        )
    )
