"""A disk in memory that remembers every operation, and opens any image."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

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

ROOT = Path("/disk")
"""The folder of a recording disk that is always there. Programs keep their files below it."""

ALWAYS = frozenset({"/", str(ROOT)})
"""The folders that need not be made."""

_PATIENCE = 30.0


class _File:
    """A file and who holds its lock."""

    __slots__ = ("data", "holder", "path", "size")

    def __init__(self, path: str, content: Content) -> None:
        self.path = path
        self.size = content.size
        # Bytes until the first write: most images are only read.
        self.data: bytes | bytearray = content.data
        self.holder: int | None = None

    def read(self, size: int, offset: int) -> bytes:
        wanted = min(size, max(self.size - offset, 0))
        return bytes(self.data[offset : offset + wanted]).ljust(wanted, b"\0")

    def write(self, data: bytes, offset: int) -> None:
        own = self._own()
        own.extend(bytes(max(offset - len(own), 0)))
        own[offset : offset + len(data)] = data
        self.size = max(self.size, offset + len(data))

    def resize(self, size: int) -> None:
        del self._own()[size:]
        self.size = size

    def content(self) -> Content:
        return Content.of(bytes(self.data), self.size)

    def _own(self) -> bytearray:
        if isinstance(self.data, bytes):
            self.data = bytearray(self.data)
        return self.data


class RecordingDisk:
    """A `holdfast.storage.files.disk.Disk` in memory. `operations` is what was done to it.

    Begin with nothing but the folder `ROOT`, or with an image. Any number of threads and of
    openers of one file may use it at once; a lock excludes other handles as `flock` does.
    """

    def __init__(self, image: Image | None = None) -> None:
        self.start = image or Image()
        self.operations: list[Operation] = []
        self._folders = {*self.start.folders, *ALWAYS}
        self._files: list[_File] = []
        self._nodes: dict[str, int] = {}
        for path, content in self.start.files.items():
            self._nodes[path] = self._add(path, content)
        self._handles: dict[int, int] = {}
        self._next_handle = 3
        self._turn = threading.Condition(threading.RLock())

    @property
    def image(self) -> Image:
        """What is there now, as a process that goes on sees it."""
        with self._turn:
            files = {path: self._files[node].content() for path, node in self._nodes.items()}
            return Image(files, frozenset(self._folders))

    def make_folder(self, path: Path) -> None:
        text = str(path)
        with self._turn:
            if text in self._folders:
                return
            self._require_parent(text)
            if text in self._nodes:
                raise FileExistsError(errno.EEXIST, "a file has this name", text)
            self._folders.add(text)
            self.operations.append(Folder(text))

    def names(self, path: Path) -> list[str]:
        text = str(path)
        with self._turn:
            if text in self._nodes:
                raise NotADirectoryError(errno.ENOTDIR, "not a folder", text)
            start = text + "/"
            found = [name[len(start) :] for name in self._nodes if name.startswith(start)]
            found += [name[len(start) :] for name in self._folders if name.startswith(start)]
        return sorted(name for name in found if "/" not in name)

    def open(self, path: Path, *, create: bool = False, exclusive: bool = False) -> int:
        text = str(path)
        with self._turn:
            node = self._nodes.get(text)
            if node is not None and exclusive:
                raise FileExistsError(errno.EEXIST, "the file exists", text)
            if node is None:
                node = self._create(text, wanted=create or exclusive)
            self._next_handle += 1
            self._handles[self._next_handle] = node
            return self._next_handle

    def close(self, handle: int) -> None:
        with self._turn:
            file = self._file(handle)
            if file.holder == handle:
                file.holder = None
                self._turn.notify_all()
            del self._handles[handle]

    def read(self, handle: int, size: int, offset: int) -> bytes:
        with self._turn:
            return self._file(handle).read(size, offset)

    def write(self, handle: int, data: bytes, offset: int) -> int:
        with self._turn:
            file = self._file(handle)
            size, node = file.size, self._handles[handle]
            file.write(data, offset)
            self.operations.append(Write(node, file.path, offset, bytes(data), size))
            return len(data)

    def allocate(self, handle: int, size: int) -> None:
        with self._turn:
            if self._file(handle).size < size:
                self._resize(handle, size, grows=True)

    def truncate(self, handle: int, size: int) -> None:
        with self._turn:
            if self._file(handle).size != size:
                self._resize(handle, size, grows=False)

    def size(self, handle: int) -> int:
        with self._turn:
            return self._file(handle).size

    def sync(self, handle: int) -> None:
        with self._turn:
            path = self._file(handle).path
            self.operations.append(Sync(self._handles[handle], path))

    def fail_sync(self, handle: int) -> None:
        """Note a sync that failed: what it should have saved may be lost, whatever comes."""
        with self._turn:
            path = self._file(handle).path
            self.operations.append(FailedSync(self._handles[handle], path))

    def sync_folder(self, path: Path) -> None:
        text = str(path)
        with self._turn:
            if text not in self._folders:
                raise FileNotFoundError(errno.ENOENT, "there is no such folder", text)
            self.operations.append(SyncFolder(text))

    def rename(self, old: Path, new: Path) -> None:
        source, target = str(old), str(new)
        with self._turn:
            self._require_parent(target)
            if source in self._folders or target in self._folders:
                raise OSError(errno.EISDIR, "the model renames files only", source)
            node = self._take(source)
            self._nodes[target] = node
            self._files[node].path = target
            self._note_rename(source, target, node)

    def unlink(self, path: Path) -> None:
        text = str(path)
        with self._turn:
            self._take(text)
            self.operations.append(Name(folder_of(text), ((text, None),), f"unlink {text}"))

    def lock(self, handle: int) -> None:
        with self._turn:
            file = self._file(handle)
            free = self._turn.wait_for(lambda: file.holder in (None, handle), _PATIENCE)
            assert free, f"{file.path} was locked by another handle for {_PATIENCE} seconds"
            file.holder = handle

    def try_lock(self, handle: int) -> bool:
        with self._turn:
            file = self._file(handle)
            if file.holder not in (None, handle):
                return False
            file.holder = handle
            return True

    def unlock(self, handle: int) -> None:
        with self._turn:
            file = self._file(handle)
            assert file.holder == handle, f"{file.path} is unlocked by one who has no lock"
            file.holder = None
            self._turn.notify_all()

    def release_locks(self) -> None:
        """Free every lock and close every handle, as the death of their process does."""
        with self._turn:
            for file in self._files:
                file.holder = None
            self._handles.clear()
            self._turn.notify_all()

    def _add(self, path: str, content: Content) -> int:
        self._files.append(_File(path, content))
        return len(self._files) - 1

    def _create(self, path: str, *, wanted: bool) -> int:
        if path in self._folders:
            raise IsADirectoryError(errno.EISDIR, "a folder has this name", path)
        if not wanted:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", path)
        self._require_parent(path)
        node = self._nodes[path] = self._add(path, Content())
        change = ((path, node),)
        self.operations.append(Name(folder_of(path), change, f"create {path}", created=node))
        return node

    def _note_rename(self, source: str, target: str, node: int) -> None:
        what = f"rename {source} to {target}"
        if folder_of(source) == folder_of(target):
            both = ((source, None), (target, node))
            self.operations.append(Name(folder_of(target), both, what))
            return
        self.operations.append(Name(folder_of(target), ((target, node),), f"{what} (the new name)"))
        gone = Name(
            folder_of(source), ((source, None),), f"{what} (the old name)", with_previous=True
        )
        self.operations.append(gone)

    def _file(self, handle: int) -> _File:
        node = self._handles.get(handle)
        if node is None:
            raise OSError(errno.EBADF, f"handle {handle} is not open")
        return self._files[node]

    def _resize(self, handle: int, size: int, *, grows: bool) -> None:
        file = self._file(handle)
        file.resize(size)
        self.operations.append(Resize(self._handles[handle], file.path, size, grows))

    def _require_parent(self, path: str) -> None:
        if folder_of(path) not in self._folders:
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", path)

    def _take(self, path: str) -> int:
        node = self._nodes.pop(path, None)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", path)
        return node
