"""What is on the disk for certain, and what may or may not be, at one moment of a program.

Two models of a file system say what a sync covers:

- `"ordered"`, like ext4 with its journal: names and lengths reach the disk in the order in which
  they were changed, and the sync of a file takes along what came before its own changes;
- `"weak"`, what POSIX promises: a sync of a file saves its content and its length and no name,
  a sync of a folder saves the names in it; of the rest any part may be there.

In both, content that no sync has covered may be there in any part and in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, assert_never

from holdfast.testing.crash.fates import whole
from holdfast.testing.crash.image import Content, Image, folder_of
from holdfast.testing.crash.operations import (
    FailedSync,
    Folder,
    Name,
    Operation,
    Resize,
    Sync,
    SyncFolder,
    Write,
)

Model = Literal["ordered", "weak"]
NameChange = Folder | Name
Metadata = Folder | Name | Resize


@dataclass(slots=True)
class Data:
    """A change of a file's bytes that is not merged into its content yet.

    A forced one is on the disk for certain; a doomed one is never made so by a later sync.
    """

    index: int
    operation: Write | Resize
    forced: bool = False
    doomed: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Which paths lead to which file, and which folders there are."""

    nodes: dict[str, int]
    folders: frozenset[str]

    def apply(self, changes: Iterable[NameChange]) -> Names:
        """Return the names after some changes."""
        nodes, folders = dict(self.nodes), set(self.folders)
        for change in changes:
            if isinstance(change, Folder):
                folders.add(change.path)
                continue
            for path, node in change.changes:
                nodes.pop(path, None)
                if node is not None:
                    nodes[path] = node
        return Names(nodes, frozenset(folders))

    def reachable(self) -> Names:
        """Return the names without those in a folder that is not there."""
        folders: set[str] = {"/"}
        for path in sorted(self.folders, key=len):
            if folder_of(path) in folders:
                folders.add(path)
        nodes = {path: node for path, node in self.nodes.items() if folder_of(path) in folders}
        return Names(nodes, frozenset(folders))


class Pending:
    """Follow a program from operation to operation."""

    def __init__(self, start: Image, model: Model, always: frozenset[str]) -> None:
        self.model: Model = model
        paths = list(start.files)
        nodes = {path: node for node, path in enumerate(paths)}
        self.names = Names(nodes, start.folders | always)
        self.contents = {node: start.files[path] for path, node in nodes.items()}
        self.data: dict[int, list[Data]] = {}
        self.metadata: list[tuple[int, Metadata]] = []
        self._index = -1

    def add(self, operation: Operation) -> None:
        """Take the next operation."""
        self._index += 1
        match operation:
            case Folder() | Name():
                self.metadata.append((self._index, operation))
            case Write():
                self._add_data(operation)
            case Resize():
                self._add_resize(operation)
            case Sync():
                self._sync(operation.node)
            case SyncFolder():
                self._sync_folder(operation.path)
            case FailedSync():
                self._doom(operation.node)
            case _:
                assert_never(operation)

    def _add_data(self, operation: Write | Resize) -> None:
        self.data.setdefault(operation.node, []).append(Data(self._index, operation))

    def _add_resize(self, operation: Resize) -> None:
        self._add_data(operation)
        # In the weak model nothing orders the length of a file and the names.
        if self.model == "ordered":
            self.metadata.append((self._index, operation))

    def _doom(self, node: int) -> None:
        for each in self.data.get(node, []):
            each.doomed = isinstance(each.operation, Write)

    def _sync(self, node: int) -> None:
        mine = [each for each in self.data.get(node, []) if not each.doomed]
        if self.model == "ordered":
            self._commit(self._reach_of_sync(node, mine))
        for each in mine:
            each.forced = True
        self._merge(node)

    def _reach_of_sync(self, node: int, mine: list[Data]) -> int:
        """Return up to which operation the sync of a file takes the file system's journal."""
        if any(isinstance(each.operation, Write) and each.operation.extends for each in mine):
            return self._index
        own = [index for index, each in self.metadata if _belongs(each, node)]
        return max(own, default=-1)

    def _sync_folder(self, folder: str) -> None:
        if self.model == "ordered":
            own = [at for at, each in self.metadata if _changes(each, folder)]
            made = [at for at, each in self.metadata if each == Folder(folder)]
            self._commit(max(own + made, default=-1))
            return
        self.names = self.names.apply(
            each for each in self.name_changes() if _changes(each, folder)
        )
        self.metadata = [(at, each) for at, each in self.metadata if not _changes(each, folder)]

    def _commit(self, last: int) -> None:
        """Make names and lengths durable up to an operation."""
        done = [each for index, each in self.metadata if index <= last]
        self.names = self.names.apply(each for each in done if not isinstance(each, Resize))
        for node in {each.node for each in done if isinstance(each, Resize)}:
            for each in self.data.get(node, []):
                if isinstance(each.operation, Resize) and each.index <= last:
                    each.forced = True
            self._merge(node)
        self.metadata = [(index, each) for index, each in self.metadata if index > last]

    def _merge(self, node: int) -> None:
        """Take what is certain and comes first into the content."""
        waiting = self.data.get(node, [])
        content = self.contents.get(node, Content())
        certain = 0
        for each in waiting:
            if not each.forced:
                break
            content = whole(each.operation).apply(content)
            certain += 1
        self.contents[node] = content
        del waiting[:certain]

    def name_changes(self) -> list[NameChange]:
        """Return the changes of names that may or may not be on the disk, in order."""
        return [each for _, each in self.metadata if not isinstance(each, Resize)]


def _belongs(each: Metadata, node: int) -> bool:
    if isinstance(each, Resize):
        return each.node == node
    return isinstance(each, Name) and each.created == node


def _changes(each: Metadata, folder: str) -> bool:
    match each:
        case Folder():
            return folder_of(each.path) == folder
        case Name():
            return each.folder == folder
        case Resize():
            return False
        case _:
            assert_never(each)
