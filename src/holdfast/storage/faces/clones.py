"""Merge a face that two clones of a project have changed, field by field. Pure.

A face that nobody edited says what a record says, and the records are merged by themselves; so what
is lost here by a clash is not lost. A face that somebody edited holds what is nowhere else: it wins a
clash, and where both were edited the one that does not win is kept.

Which side wins depends on the sides only, never on which one is ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from holdfast.errors import FaceError
from holdfast.storage.faces.codecs import Codec, JsonCodec, decode_text, encode_text
from holdfast.storage.faces.history import MARK, mark_fields, split_mark
from holdfast.storage.faces.markdown import MarkdownCodec
from holdfast.storage.faces.merging import MISSING, Clash, merge
from holdfast.storage.faces.values import Fields, canonical, digest, write_value

SUFFIXES = (".json", ".md")
_BODY = "text"
_ABSENT_BODY = re.compile(r"^([A-Za-z_][A-Za-z0-9_-]*):[ \t]*$", re.MULTILINE)
_NAMES = re.compile(r"^([A-Za-z_][A-Za-z0-9_-]*):", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFace:
    """A file that did not win, to be kept in `conflicts/` under `name`, with a note why."""

    name: str
    data: bytes
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedFace:
    """The bytes of a merged face, what is kept beside it, and what there is to report."""

    data: bytes
    kept: Sequence[KeptFace] = ()
    report: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Side:
    data: bytes
    fields: Fields
    mark: object

    @property
    def is_edited(self) -> bool:
        return self.mark != digest(self.fields)

    @property
    def rank(self) -> tuple[bool, str, bytes]:
        return self.is_edited, canonical(self.fields), self.data


def merge_faces(base: bytes, ours: bytes, theirs: bytes, name: str) -> MergedFace:
    """Merge two changes of the face `name`; an empty `base` stands for none."""
    if ours == theirs:
        return MergedFace(data=ours)
    codec = _codec_for(name, base, ours, theirs)
    sides = [_read(codec, data) for data in (ours, theirs)]
    first, second = sides
    if isinstance(first, str) or isinstance(second, str):
        return _broken(name, (ours, theirs), sides)
    if second.rank > first.rank:
        first, second = second, first
    start = _read(codec, base) if base else "none"
    before = start if isinstance(start, _Side) else None
    merged = merge(before.fields if before else None, first.fields, second.fields)
    data = _render(codec, merged.fields, first, second)
    if not (merged.clashes and first.is_edited and second.is_edited):
        return MergedFace(data=data, report=_told(name, merged.clashes, first))
    why = "; ".join(map(_say, merged.clashes))
    kept = _keep(name, second.data, f"both clones edited it: {why}")
    return MergedFace(data=data, kept=[kept], report=[_sentence(name, kept)])


def _codec_for(name: str, *texts: bytes) -> Codec:
    """Return a codec that reads and writes a face exactly, whatever its owner calls the text."""
    if not name.endswith(".md"):
        return JsonCodec()
    heads = [text.decode("utf-8", "replace").split("\n---", 1)[0] for text in texts]
    absent = next((found[1] for head in heads if (found := _ABSENT_BODY.search(head))), _BODY)
    order = _NAMES.findall(max(heads[1:]))
    return MarkdownCodec(body=absent, first=[each for each in order if each != absent])


def _read(codec: Codec, data: bytes) -> _Side | str:
    try:
        return _Side(data, *split_mark(codec.parse(decode_text(data))))
    except FaceError as error:
        return f"line {error.line}: {error.reason}"


def _render(codec: Codec, fields: Fields, first: _Side, second: _Side) -> bytes:
    marked: Fields = mark_fields(fields)
    edited = [side for side in (first, second) if side.is_edited]
    if edited:
        # What it was edited from, so that the next look at it finds the edit and merges it from there.
        mark = max((str(side.mark) for side in edited if side.mark is not None), default=None)
        marked = {**fields} if mark is None else {MARK: mark, **fields}
    return encode_text(codec.render(marked))


def _broken(name: str, data: tuple[bytes, bytes], sides: Sequence[_Side | str]) -> MergedFace:
    """Take the side that can be read, and keep the other one; of two that cannot, the greater."""
    order = sorted(zip(sides, data, strict=True), key=lambda each: _is_readable(each[0], each[1]))
    (reason, loser), (_, winner) = order
    why = f"it cannot be read: {reason}" if isinstance(reason, str) else "the other one is greater"
    kept = _keep(name, loser, why)
    return MergedFace(data=winner, kept=[kept], report=[_sentence(name, kept)])


def _is_readable(side: _Side | str, data: bytes) -> tuple[bool, bytes]:
    return isinstance(side, _Side), data


def _keep(name: str, data: bytes, why: str) -> KeptFace:
    kept = f"merge-{sha256(data).hexdigest()[:8]}.conflict.{name}"
    note = write_value({"file": name, "why": why}, indent=2, sort=False) + "\n"
    return KeptFace(name=kept, data=data, why=note)


def _sentence(name: str, kept: KeptFace) -> str:
    return f"{name}: changed on both sides; the other one is kept as conflicts/{kept.name}"


def _told(name: str, clashes: Sequence[Clash], first: _Side) -> list[str]:
    if not (clashes and first.is_edited):
        return []  # the records decide, and a merge of records keeps what loses
    return [
        f"{name}: the edit stays, though the record was changed: {'; '.join(map(_say, clashes))}"
    ]


def _say(clash: Clash) -> str:
    ours, theirs = (
        "removed" if value is MISSING else write_value(value)
        for value in (clash.ours, clash.theirs)
    )
    return f"{'.'.join(clash.path)} is {ours} here and {theirs} there"
