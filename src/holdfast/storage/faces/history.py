"""Remember what the faces were rendered from, so that a hand edit can be merged.

A face names the fields that it was rendered from by a hash of them, its *mark* (the field `_face`).
So it tells by itself whether somebody edited it, also when this history was deleted; and an edit
that was begun on an older face (a text left open in an editor) is merged from that older one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.errors import FaceError
from holdfast.storage.faces.values import Fields, canonical, digest
from holdfast.storage.seam import Key

MARK = "_face"
"""The field of a face that holds its mark."""

MAX_RENDERINGS = 16
"""How many faces of one record are remembered, as long as they fit into `MAX_BYTES`."""

MAX_BYTES = 1024 * 1024

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a face was rendered from: the version of the record and the fields of it."""

    version: int
    fields: Fields

    @property
    def mark(self) -> str:
        """The hash of the fields."""
        return digest(self.fields)


@dataclass(frozen=True, slots=True)
class History:
    """The last renderings of one record, the newest first."""

    key: Key
    renderings: Sequence[Rendering] = ()

    @property
    def newest_mark(self) -> str | None:
        """The mark of the newest rendering."""
        return self.renderings[0].mark if self.renderings else None

    def find(self, mark: object) -> Rendering | None:
        """Return the rendering with this mark.

        A face without its mark is a rendering of the only one there is, if there is only one.
        """
        if mark is None and len(self.renderings) == 1:
            return self.renderings[0]
        return next((each for each in self.renderings if each.mark == mark), None)

    def with_newest(self, *newest: Rendering) -> History:
        """Return the history with these renderings in front of the others."""
        by_mark: dict[str, Rendering] = {}
        for each in (*newest, *self.renderings):
            by_mark.setdefault(each.mark, each)
        return History(self.key, tuple(by_mark.values())[:MAX_RENDERINGS])


def split_mark(fields: Fields) -> tuple[Fields, object]:
    """Return the fields of a face without its mark, and the mark, None if it has none."""
    return {name: value for name, value in fields.items() if name != MARK}, fields.get(MARK)


def mark_fields(fields: Fields) -> Fields:
    """Return the fields that a face shows.

    Raises:
        FaceError: the record itself has a field with the name of the mark.
    """
    if MARK in fields:
        raise FaceError(1, f"the record has a field {MARK!r}, a name that faces need")
    return {MARK: digest(fields), **fields}


def encode_history(history: History) -> bytes:
    """Return the bytes of the file that keeps a history; the oldest renderings may be left out."""
    renderings: list[str] = []
    size = 0
    for each in history.renderings:
        text = f'{{"version":{each.version},"fields":{canonical(each.fields)}}}'
        size += len(text)
        if renderings and size > MAX_BYTES:
            break
        renderings.append(text)
    key = json.dumps(history.key)
    return f'{{"format":{_FORMAT},"key":{key},"renderings":[{",".join(renderings)}]}}'.encode()


def decode_history(data: bytes) -> History | None:
    """Return the history in a file, None if the file does not hold one."""
    try:
        members = json.loads(data)
        if members["format"] != _FORMAT:
            return None
        key = tuple(map(str, members["key"]))
        renderings = [Rendering(each["version"], each["fields"]) for each in members["renderings"]]
    except (ValueError, LookupError, TypeError):
        return None
    return History(key, renderings)
