"""The folder of the faces: write them, and take edited ones away, without ever losing an edit.

A file is never written over and never removed where it stands. It is renamed first and read then:
what a person saved a moment before is found in the renamed file, what he saves a moment later
stands beside it under the old name, where a new face is put only if the name is free. An editor
that still has the renamed file open may go on writing, so even a face that nobody edited is set
aside for a while before it is removed.

::

    NAME.json              a face
    conflicts/             what people wrote and the store did not take
    conflicts/taking/      what people wrote and the store did not take yet
    .base/NAME.json.base   what the face was rendered from; .base/ may be deleted at any time
    .base/spent/           faces set aside, removed when they have settled
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from enum import Enum
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import NamedTuple, Self

from holdfast.clock import Clock
from holdfast.errors import FaceError
from holdfast.ids import new_span_id
from holdfast.storage.faces.codecs import Codec, decode_text, encode_text
from holdfast.storage.faces.disk import FaceDisk, Status, disk_errors
from holdfast.storage.faces.history import (
    History,
    Rendering,
    decode_history,
    encode_history,
    mark_fields,
    split_mark,
)
from holdfast.storage.faces.values import Fields, digest, is_same
from holdfast.storage.seam import Key

_TEMPORARY = "temporary."
_BASE_SUFFIX = ".base"


class Placed(Enum):
    """What became of a face that was to be written or removed."""

    WRITTEN = "written"
    """It is there, or it is gone if it was to be."""

    RESTORED = "restored"
    """It was missing and is there again."""

    UNCHANGED = "unchanged"
    """It was right already."""

    EDITED = "edited"
    """Somebody edited it, so it was left as it is."""

    OBSTRUCTED = "obstructed"
    """A folder, a link or a device has its name."""


class Face(NamedTuple):
    """A face as it is to be."""

    name: str
    key: Key
    rendering: Rendering
    data: bytes


class Content(NamedTuple):
    """What a file says."""

    fields: Fields
    mark: object

    @property
    def is_untouched(self) -> bool:
        """Whether nobody edited the fields."""
        return self.mark == digest(self.fields)


class Claim:
    """An edited file that this process took away to work on, and nobody else does."""

    def __init__(self) -> None:
        self.name = ""
        self.path = Path()
        self._handle: FileIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._handle:
            self._handle.close()

    def hold(self, name: str, path: Path, handle: FileIO) -> None:
        """Note what was claimed."""
        self.name, self.path, self._handle = name, path, handle


class FaceFolder:
    """One folder of faces. All calls wait for the disk: make them in a thread."""

    def __init__(
        self, path: Path, *, codec: Codec, clock: Clock, settle_ms: int, disk: FaceDisk
    ) -> None:
        self.path = path
        self.conflicts = path / "conflicts"
        self._taking = self.conflicts / "taking"
        self._base = path / ".base"
        self._spent = self._base / "spent"
        self._codec = codec
        self._clock = clock
        self._settle_ms = settle_ms
        self._disk = disk
        self._swept_at = clock.now_ms()

    def render(self, name: str, key: Key, version: int, value: bytes) -> Face:
        """Return the face of a record.

        Raises:
            FaceError: the record cannot be shown, or its codec is not exact.
        """
        fields = self._codec.load(value)
        data = encode_text(self._codec.render(mark_fields(fields)))
        content = self.parse(data)
        if not (content.is_untouched and is_same(content.fields, fields)):
            raise FaceError(1, "the record would not survive its codec unchanged")
        return Face(name, key, Rendering(version, content.fields), data)

    def parse(self, data: bytes) -> Content:
        """Return what a file says.

        Raises:
            FaceError: it is broken.
        """
        return Content(*split_mark(self._codec.parse(decode_text(data))))

    def names(self) -> list[str]:
        """Return what is in the folder."""
        with disk_errors(self.path):
            return self._disk.names(self.path)

    def statuses(self) -> dict[str, Status]:
        """Return what is in the folder, with what the file system says of each."""
        with disk_errors(self.path):
            return self._disk.statuses(self.path)

    def now_ms(self) -> int:
        """Return the time of the clock that files are compared with."""
        return self._clock.now_ms()

    def read_derived(self, name: str) -> bytes | None:
        """Return a file of our own that may be deleted at any time; None if there is none."""
        with disk_errors(self.path):
            return self._disk.read(self._base / name)

    def write_derived(self, name: str, data: bytes) -> None:
        """Write such a file, whole or not at all."""
        with self._locked():
            temporary = self._temporary_path()
            self._disk.write(temporary, data)
            self._disk.rename(temporary, self._base / name)

    def remembered(self) -> list[str]:
        """Return the names of the faces that were written."""
        with disk_errors(self.path):
            names = self._disk.names(self._base)
        return [name.removesuffix(_BASE_SUFFIX) for name in names if name.endswith(_BASE_SUFFIX)]

    def leftovers(self) -> list[str]:
        """Return the names of the files of edits not yet taken in."""
        with disk_errors(self.path):
            names = self._disk.names(self._taking)
        return [name for name in names if "." in name and self.is_file(self._taking / name)]

    def history(self, name: str) -> History | None:
        """Return what is remembered of a face."""
        with disk_errors(self.path):
            data = self._disk.read(self._base_of(name))
        return (data and decode_history(data)) or None

    def read(self, path: Path) -> bytes | None:
        """Return the content of a file, None if there is none or it is no regular one."""
        with disk_errors(self.path):
            status = self._disk.status(path)
            return self._disk.read(path) if status and status.is_file else None

    def is_file(self, path: Path) -> bool:
        """Tell whether a regular file stands there."""
        with disk_errors(self.path):
            status = self._disk.status(path)
        return status is not None and status.is_file

    def is_settled(self, path: Path) -> bool:
        """Tell whether a file was not changed for a while, so that nobody is saving it now."""
        with disk_errors(self.path):
            status = self._disk.status(path)
        return status is None or self._has_settled(status.changed_ms)

    def place(self, face: Face) -> Placed:
        """Write a face, unless it is there already or somebody edited the one that is there."""
        path = self.path / face.name
        if self._is_right(face, path):
            return Placed.UNCHANGED
        with self._locked():
            status = self._disk.status(path)
            if status and not status.is_file:
                return Placed.OBSTRUCTED
            before = self._disk.read(path)
            if before == face.data:
                self._remember(face, [face.rendering])
                return Placed.UNCHANGED
            standing = self._untouched(before)
            if before is not None and standing is None:
                return Placed.EDITED
            # Before the face, so that no edit of it can come without its base.
            is_new = self._remember(face, [face.rendering, *([standing] if standing else [])])
            if not self._replace(face, before):
                return Placed.EDITED
            return Placed.WRITTEN if is_new or before is not None else Placed.RESTORED

    def remove(self, name: str) -> Placed:
        """Remove the face of a record that is gone, unless somebody edited it."""
        with self._locked():
            before = self.read(self.path / name)
            if before is None:
                if not self._is_being_taken(name):  # it tells then what the file belonged to
                    self._disk.unlink(self._base_of(name))
                return Placed.UNCHANGED
            if self._untouched(before) is None or not self._set_aside(name, before):
                return Placed.EDITED
            self._disk.unlink(self._base_of(name))
            return Placed.WRITTEN

    def claim(self, claim: Claim, name: str) -> bool:
        """Take a face away to work on it; False if it is gone or another process has it."""
        with self._locked():
            path = self._taking_path(name)
            if not self._disk.rename(self.path / name, path):
                return False
            return self._hold(claim, name, path)

    def reclaim(self, claim: Claim, leftover: str) -> bool:
        """Take over an edit whose process died; False if it lives."""
        with self._locked():
            return self._hold(claim, _name_of(leftover), self._taking / leftover)

    def put_back(self, claim: Claim) -> bool:
        """Give a claimed file its name back; False if the name is taken."""
        with self._locked():
            if not self._disk.link(claim.path, self.path / claim.name):
                return False
            self._disk.unlink(claim.path)
            return True

    def spend(self, claim: Claim, data: bytes) -> None:
        """Let go of a claimed file whose content `data` is in the store."""
        with self._locked():
            self._disk.rename(claim.path, self._spent_path(claim.name, data))

    def keep(self, claim: Claim, note: str, *, kind: str, time: str) -> Path:
        """Keep a claimed file for good, with a note beside it; return where."""
        with self._locked():
            kept = self.conflicts / f"{time}-{new_span_id()[:8]}.{kind}.{claim.name}"
            # The note first: a file that is kept never stands there without its reason.
            self._disk.write(kept.with_name(f"{kept.name}.why"), note.encode())
            self._disk.rename(claim.path, kept)
            return kept

    def sweep(self) -> None:
        """Remove what was set aside and has settled; what was written to meanwhile is an edit."""
        self._swept_at = self._clock.now_ms()
        with self._locked():
            for name in self._disk.names(self._spent):
                if name.startswith(_TEMPORARY):
                    self._disk.unlink(self._spent / name)
                else:
                    self._sweep_one(name)

    def sweep_at_times(self) -> None:
        """Sweep unless that was done a moment ago."""
        if self._has_settled(self._swept_at):
            self.sweep()

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Be the only one, over all processes, who moves files here."""
        with disk_errors(self.path):
            for folder in (self.path, self._spent, self._taking):
                self._disk.make_folder(folder)
            with self._disk.lock(self._base / "lock"):
                yield

    def _is_right(self, face: Face, path: Path) -> bool:
        """Tell without the lock whether there is nothing to do, as there mostly is not."""
        if self.read(path) != face.data:
            return False
        history = self.history(face.name)
        return history is not None and history.newest_mark == face.rendering.mark

    def _remember(self, face: Face, newest: list[Rendering]) -> bool:
        """Put the renderings in front of the history; tell whether there was none."""
        history = self.history(face.name)
        if history and len(newest) == 1 and history.newest_mark == newest[0].mark:
            return False
        updated = (history or History(face.key)).with_newest(*newest)
        temporary = self._temporary_path()
        self._disk.write(temporary, encode_history(updated))
        self._disk.rename(temporary, self._base_of(face.name))
        return history is None

    def _untouched(self, data: bytes | None) -> Rendering | None:
        """Return what a file was rendered from, if nobody edited it."""
        try:
            content = self.parse(data) if data is not None else None
        except FaceError:
            return None
        return Rendering(0, content.fields) if content and content.is_untouched else None

    def _replace(self, face: Face, before: bytes | None) -> bool:
        """Put a face in place of `before`; False if somebody edited it just now."""
        temporary = self._temporary_path()
        self._disk.write(temporary, face.data)  # first, in case that the disk is full
        is_free = before is None or self._set_aside(face.name, before)
        is_placed = is_free and self._disk.link(temporary, self.path / face.name)
        self._disk.unlink(temporary)
        return is_placed

    def _set_aside(self, name: str, data: bytes) -> bool:
        """Take a face that nobody edited out of the way; False if somebody did just now."""
        path = self._taking_path(name)
        if not self._disk.rename(self.path / name, path):
            return True
        if self._disk.read(path) == data:
            self._disk.rename(path, self._spent_path(name, data))
            return True
        # If the name is taken again, both are edits: this one is a leftover to take in.
        if self._disk.link(path, self.path / name):
            self._disk.unlink(path)
        return False

    def _is_being_taken(self, name: str) -> bool:
        return any(_name_of(leftover) == name for leftover in self.leftovers())

    def _hold(self, claim: Claim, name: str, path: Path) -> bool:
        handle = self._disk.hold(path)
        if handle is None:
            return False
        claim.hold(name, path, handle)
        return True

    def _sweep_one(self, spent: str) -> None:
        path = self._spent / spent
        since, hashed, _, name = (*spent.split(".", 3), "", "", "")[:4]
        if not (since.isdigit() and name):
            return  # no file of ours
        data = self._disk.read(path)
        if data is not None and _hash(data) != hashed:
            self._disk.rename(path, self._taking_path(name))
        elif self._has_settled(int(since)):
            self._disk.unlink(path)

    def _has_settled(self, since_ms: int) -> bool:
        # A time in the future comes from another clock and says nothing.
        return abs(self._clock.now_ms() - since_ms) >= self._settle_ms

    def _base_of(self, name: str) -> Path:
        return self._base / f"{name}{_BASE_SUFFIX}"

    def _temporary_path(self) -> Path:
        return self._spent / f"{_TEMPORARY}{new_span_id()}"

    def _taking_path(self, name: str) -> Path:
        return self._taking / f"{new_span_id()[:8]}.{name}"

    def _spent_path(self, name: str, data: bytes) -> Path:
        return self._spent / f"{self._clock.now_ms()}.{_hash(data)}.{new_span_id()[:8]}.{name}"


def _name_of(leftover: str) -> str:
    return leftover.split(".", 1)[1]


def _hash(data: bytes) -> str:
    return sha256(data).hexdigest()[:16]
