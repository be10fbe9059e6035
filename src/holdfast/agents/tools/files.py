"""Read and write text files, within the folders that the settings allow."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from holdfast.agents.signatures import ToolSignature
from holdfast.agents.tools.seam import Arguments, Tool, ToolContext
from holdfast.agents.types import Type, parse_type
from holdfast.agents.workflow import Field
from holdfast.errors import ToolError

MAX_BYTES = 16 * 1024 * 1024
"""What one call of `read_files` returns at most."""


async def _read_files(arguments: Arguments, context: ToolContext) -> object:
    folder, pattern = cast("str", arguments["folder"]), cast("str", arguments["pattern"])
    limit = cast("int", arguments["max_files"])
    place = _allowed(folder, context.root, context.readable, "read")
    return await asyncio.to_thread(_read_all, place, pattern, limit, context.readable)


def _read_all(
    place: Path, pattern: str, limit: int, allowed: tuple[Path, ...]
) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    total = 0
    for path in _matching(place, pattern):
        if not _is_below(path.resolve(), allowed):
            continue  # a link that leads out
        text = _read_text(path)
        if text is None:
            continue
        total += len(text)
        if len(found) == limit or total > MAX_BYTES:
            raise ToolError(
                f"{place} holds more than {limit} files or {MAX_BYTES} bytes that match {pattern!r}",
                hint="narrow the pattern or raise max_files",
            )
        name = path.name if path == place else path.relative_to(place).as_posix()
        found.append({"path": name, "text": text})
    return found


def _matching(place: Path, pattern: str) -> Iterator[Path]:
    """Yield files in the order of their names, leaving out hidden ones and hidden folders."""
    if place.is_file():
        yield place
        return
    if not place.is_dir():
        raise ToolError(
            f"there is no folder {place}", hint="check the path that the tool was given"
        )
    try:
        paths = sorted(place.glob(pattern))
    except (ValueError, NotImplementedError) as error:
        raise ToolError(
            f"{pattern!r} is not a pattern: {error}", hint="write for instance **/*.md"
        ) from error
    for path in paths:
        inner = path.relative_to(place).parts
        if path.is_file() and not any(part.startswith(".") for part in inner):
            yield path


def _read_text(path: Path) -> str | None:
    """Return the text of a file, None if it is not UTF-8 text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return None
    except OSError as error:
        raise ToolError(f"{path} cannot be read: {error.strerror}") from error


async def _write_file(arguments: Arguments, context: ToolContext) -> object:
    path = _allowed(cast("str", arguments["path"]), context.root, context.writable, "write")
    text = cast("str", arguments["text"])
    if not cast("bool", arguments["overwrite"]) and path.exists():
        raise ToolError(f"{path} exists already", hint="set overwrite: true, or name another file")
    await asyncio.to_thread(_replace, path, text)
    return {"path": str(path), "bytes": len(text.encode())}


def _replace(path: Path, text: str) -> None:
    """Put the text where the path is, whole or not at all, also when the power goes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(path.stat().st_mode if path.exists() else 0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # pragma: no cover - folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _allowed(text: str, root: Path, folders: tuple[Path, ...], what: str) -> Path:
    """Return the path with links followed, if it lies in a folder that may be touched."""
    if "\0" in text:
        raise ToolError(f"{text!r} is not a path")
    path = (root / Path(text).expanduser()).resolve()
    if not _is_below(path, folders):
        raise ToolError(
            f"{path} lies outside the folders that tools may {what}",
            hint=f"add its folder to `{what}` under [tools] in holdfast.toml",
        )
    return path


def _is_below(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder.resolve()) for folder in folders)


def _field(name: str, type_text: str, description: str, **default: object) -> Field:
    return Field(
        name=name,
        type=parse_type(type_text),
        default=default.get("default"),
        has_default="default" in default,
        description=description,
    )


def _signature(name: str, description: str, returns: Type, *fields: Field) -> ToolSignature:
    return ToolSignature(
        name=name,
        description=description,
        parameters={field.name: field for field in fields},
        returns=returns,
    )


_FILE = Type(kind="object", fields={"path": parse_type("str"), "text": parse_type("str")})
_WRITTEN = Type(kind="object", fields={"path": parse_type("str"), "bytes": parse_type("int")})

READ_FILES = Tool(
    signature=_signature(
        "read_files",
        "Read the text files of a folder that match a pattern, in the order of their names.",
        Type(kind="list", item=_FILE),
        _field("folder", "str", "The folder, or one file."),
        _field("pattern", "str", "Which files, for instance **/*.md.", default="**/*"),
        _field("max_files", "int", "More files than this are an error.", default=200),
    ),
    call=_read_files,
)

WRITE_FILE = Tool(
    signature=_signature(
        "write_file",
        "Write a text file, whole or not at all; folders are made.",
        _WRITTEN,
        _field("path", "str", "The file."),
        _field("text", "str", "What it shall hold."),
        _field("overwrite", "bool", "Whether a file that exists is replaced.", default=True),
    ),
    call=_write_file,
)
