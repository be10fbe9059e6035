"""What a program did to its disk, one value an operation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder was made."""

    path: str

    def __str__(self) -> str:
        return f"make folder {self.path}"


@dataclass(frozen=True, slots=True)
class Name:
    """A path of `folder` got another file, or none. `node` numbers the file.

    A rename within one folder changes two names at once; one across folders is two operations,
    for nothing makes them one but a journal of the file system.
    """

    folder: str
    changes: tuple[tuple[str, int | None], ...]
    what: str
    created: int | None = None
    with_previous: bool = False

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Write:
    """`data` was written to a file that was `size_before` bytes long."""

    node: int
    path: str
    offset: int
    data: bytes
    size_before: int

    @property
    def extends(self) -> bool:
        """Whether it made the file longer."""
        return self.offset + len(self.data) > self.size_before

    def __str__(self) -> str:
        return f"write {len(self.data)} bytes at {self.offset} of {self.path}"


@dataclass(frozen=True, slots=True)
class Resize:
    """A file was cut or grown to `size`."""

    node: int
    path: str
    size: int
    grows: bool

    def __str__(self) -> str:
        return f"{'allocate' if self.grows else 'truncate'} {self.path} to {self.size} bytes"


@dataclass(frozen=True, slots=True)
class Sync:
    """A file was synced."""

    node: int
    path: str

    def __str__(self) -> str:
        return f"sync {self.path}"


@dataclass(frozen=True, slots=True)
class SyncFolder:
    """A folder was synced."""

    path: str

    def __str__(self) -> str:
        return f"sync folder {self.path}"


@dataclass(frozen=True, slots=True)
class FailedSync:
    """A sync failed. What it should have saved is clean for the system, and no sync saves it."""

    node: int
    path: str

    def __str__(self) -> str:
        return f"failing sync of {self.path}"


Operation = Folder | Name | Write | Resize | Sync | SyncFolder | FailedSync
