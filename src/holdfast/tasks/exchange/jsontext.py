"""Read JSON objects from a file one by one: an array of them, or one after the other.

What is broken is reported with its line, and the reading goes on with the next object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, cast

from holdfast.errors import UsageError
from holdfast.tasks.exchange.seam import Finding, Place, Report

Json = dict[str, Any]
_BETWEEN = " \t\r\n,["
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def objects(path: Path, report: Report) -> Iterator[tuple[Place, Json]]:
    """Give the objects of a file, each with where it begins.

    Raises:
        UsageError: the file cannot be read, or is not in UTF-8 at all.
    """
    waiting, begun, indent = "", 0, 0
    for number, line in _lines(path, report):
        text = line.lstrip()
        depth = len(line) - len(text)
        if waiting and text.startswith("{") and depth <= indent and _is_broken(waiting):
            report(_broken(path, begun, waiting))
            waiting = ""
        if not waiting:
            begun, indent = number, depth
        waiting += line
        if not text.rstrip().endswith(("}", "]", ",")):
            continue
        found, waiting = _take(waiting)
        yield from ((Place(file=str(path), line=begun), each) for each in found)
        if found and waiting:
            begun = number
    if waiting.strip(_BETWEEN + "]"):
        report(_broken(path, begun, waiting))


def first_object(path: Path) -> Json:
    """Return the first object of a file, empty if there is none."""
    try:
        for _, found in objects(path, lambda _: None):
            return found
    except UsageError:
        pass
    return {}


def load_object(text: str) -> Json:
    """Return the one object that a text is.

    Raises:
        ValueError: it is something else.
    """
    value: object = _DECODER.decode(text)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - it is the text that is wrong
    return cast("Json", value)


def broken_line(place: Place, why: str) -> Finding:
    """Return what is said of text that is no JSON."""
    return Finding(
        weight="problem",
        place=place,
        what=f"this cannot be read as JSON: {why}",
        remedy="mend it, or export it again, and import once more; the rest was taken",
    )


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        UsageError: it cannot be read, or is not in UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, "is not in UTF-8") from error


def _lines(path: Path, report: Report) -> Iterator[tuple[int, str]]:
    try:
        with path.open("rb") as file:
            for number, data in enumerate(file, 1):
                if number == 1 and data[:2] in _MARKS:
                    raise _unreadable(path, f"is in {_MARKS[data[:2]]}, not in UTF-8")
                try:
                    text = data.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    report(_wrong_encoding(path, number))
                    continue
                if text.strip():
                    yield number, text
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error


def _take(text: str) -> tuple[list[Json], str]:
    """Return the whole objects at the beginning of a text, and the rest of it."""
    found: list[Json] = []
    at = 0
    while True:
        while at < len(text) and text[at] in _BETWEEN:
            at += 1
        if at == len(text) or text[at] == "]":
            return found, ""
        try:
            value, at = cast("tuple[object, int]", _DECODER.raw_decode(text, at))
        except (ValueError, RecursionError):
            return found, text[at:]
        if not isinstance(value, dict):
            return found, text[at:] if found else text
        found.append(cast("Json", value))


def _is_broken(text: str) -> bool:
    return bool(text.strip(_BETWEEN))


def _broken(path: Path, line: int, text: str) -> Finding:
    try:
        _DECODER.raw_decode(text.strip(_BETWEEN))
        why = "it is no object"
    except RecursionError:
        why = "it is nested too deep"
    except ValueError as error:
        why = str(error).partition(": line")[0]
    return broken_line(Place(file=str(path), line=line), why)


def _wrong_encoding(path: Path, line: int) -> Finding:
    return Finding(
        weight="problem",
        place=Place(file=str(path), line=line),
        what="this line is not in UTF-8",
        remedy="convert the file (iconv -t UTF-8) and import once more; the rest was taken",
    )


def _unreadable(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} {why}", hint="give a file that another tracker has exported")


def _members(pairs: list[tuple[str, object]]) -> Json:
    found: Json = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {twice!r} is there twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_number)
