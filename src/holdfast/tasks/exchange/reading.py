"""What several formats need to read members of a foreign task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from holdfast.tasks.exchange.seam import Finding, Place, Raw, Report


def text_of(raw: Raw, name: str) -> str:
    """Return a member that is text, empty if there is none."""
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def texts_of(value: object) -> list[str]:
    """Return the texts in a list, none if it is no list."""
    if not isinstance(value, list):
        return []
    return [each for each in cast("list[object]", value) if isinstance(each, str)]


def objects_of(value: object) -> list[Mapping[str, object]]:
    """Return the objects in a list, none if it is no list."""
    if not isinstance(value, list):
        return []
    found = cast("list[object]", value)
    return [cast("Mapping[str, object]", each) for each in found if isinstance(each, dict)]


def object_of(value: object) -> Mapping[str, object]:
    """Return a value that is an object, an empty one if it is not."""
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else _EMPTY


_EMPTY: Mapping[str, object] = {}


class Reader:
    """The members of one foreign task, and where to complain about them."""

    def __init__(self, raw: Raw, place: Place, report: Report, item: str) -> None:
        self.raw = raw
        self._place = place
        self._report = report
        self._item = item

    def refuse(self, what: str, remedy: str = "mend it and import once more") -> None:
        """Report something that cannot be taken in as it stands."""
        self._say("problem", what, remedy)

    def remark(self, what: str, remedy: str) -> None:
        """Report something that is good to know."""
        self._say("remark", what, remedy)

    def lacks(self, names: Sequence[str]) -> bool:
        """Report the members that have to be text and are not; return whether there are any."""
        missing = [name for name in names if not text_of(self.raw, name)]
        if missing:
            self.refuse(f"the task has no {' and no '.join(missing)}; it was left out")
        return bool(missing)

    def unreadable(self, name: str) -> None:
        """Report a member that is not what it should be; it is kept and not understood."""
        value = str(self.raw.get(name))
        shown = value if len(value) <= 60 else value[:59] + "…"
        self.refuse(
            f"{name} is {shown!r}, which means nothing to Holdfast",
            "it is kept, and given back by an export; mend it and import once more",
        )

    def _say(self, weight: str, what: str, remedy: str) -> None:
        self._report(
            Finding(
                weight="problem" if weight == "problem" else "remark",
                place=self._place,
                item=self._item,
                what=what,
                remedy=remedy,
            )
        )
