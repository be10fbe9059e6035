"""What lies on a disk, as values: folders, files and their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file: `data`, and zeros behind it up to `size`.

    `data` never ends with a zero, so that equal files are equal values and a preallocated file
    costs nothing.
    """

    data: bytes = b""
    size: int = 0

    @staticmethod
    def of(data: bytes, size: int | None = None) -> Content:
        """Return the content of a file that holds `data`, and zeros behind it up to `size`."""
        return Content(data.rstrip(b"\0"), len(data) if size is None else size)

    def write(self, data: bytes, offset: int) -> Content:
        """Return the content after `data` was written at `offset`; a gap reads as zeros."""
        end = offset + len(data)
        whole = self.data[:offset].ljust(offset, b"\0") + data + self.data[end:]
        return Content(whole.rstrip(b"\0"), max(self.size, end))

    def resize(self, size: int) -> Content:
        """Return the content cut to `size` bytes, or grown to it with zeros."""
        return Content(self.data[:size].rstrip(b"\0"), size)

    def read(self, size: int, offset: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer at the end of the file."""
        wanted = min(size, max(self.size - offset, 0))
        return self.data[offset : offset + wanted].ljust(wanted, b"\0")

    def bytes(self) -> bytes:
        """Return all of it."""
        return self.data.ljust(self.size, b"\0")

    def digest(self) -> bytes:
        """Return 16 bytes that stand for this content."""
        return blake2b(self.data, digest_size=16, salt=self.size.to_bytes(8, "little")).digest()


@dataclass(frozen=True, slots=True)
class Image:
    """What a disk holds: the content of each file by its path, and the paths of the folders."""

    files: Mapping[str, Content] = field(default_factory=dict[str, Content])
    folders: frozenset[str] = frozenset()

    @staticmethod
    def of_folder(folder: Path) -> Image:
        """Return what is in a real folder, under its real path."""
        found = list(folder.rglob("*"))
        return Image(
            {str(path): Content.of(path.read_bytes()) for path in found if path.is_file()},
            frozenset(str(path) for path in found if path.is_dir()),
        )

    def write_to(self, folder: Path, *, root: Path) -> None:
        """Make real files in `folder` of what lies below `root` in this image."""
        inside = [path for path in self.folders if root in Path(path).parents]
        for path in sorted(inside):
            (folder / Path(path).relative_to(root)).mkdir(parents=True, exist_ok=True)
        for path, content in self.files.items():
            (folder / Path(path).relative_to(root)).write_bytes(content.bytes())

    def replace(self, path: str, content: Content) -> Image:
        """Return the image with another content of one file."""
        return Image({**self.files, path: content}, self.folders)

    def positions(self) -> Iterator[tuple[str, int]]:
        """Give the path and the offset of every byte of every file."""
        for path in sorted(self.files):
            for offset in range(self.files[path].size):
                yield path, offset


def folder_of(path: str) -> str:
    """Return the folder that a path lies in."""
    return path.rpartition("/")[0] or "/"
