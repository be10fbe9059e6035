"""Spans as a Parquet file: a row a span, attributes as JSON text. Needs the extra `tables`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from holdfast.errors import UsageError
from holdfast.tracing.exports.plain import plain_attributes
from holdfast.tracing.span import Span

_ROWS, _CHARACTERS = 50_000, 32 << 20
"""What is written at once: so many rows, or rows with attributes of so many characters."""
_TEXTS = ("trace_id", "span_id", "parent_id", "name", "kind", "status", "error", "scope")
_NUMBERS = ("start_ns", "duration_ns")


def export_parquet(traces: Iterable[Sequence[Span]], path: Path) -> None:
    """Write the spans of some traces to a file, whole or not at all.

    Raises:
        UsageError: the package for it is not installed, or the file cannot be written.
    """
    pa, parquet = _pyarrow()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    schema = _schema(pa)
    try:
        with parquet.ParquetWriter(beside, schema, compression="zstd") as writer:
            for rows in _parts(_row(span) for spans in traces for span in spans):
                writer.write_table(pa.Table.from_pylist(rows, schema))
        beside.replace(path)
    except OSError as error:
        # pyarrow's own text names the file beside, which nobody asked for
        said = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(f"{path} cannot be written: {said}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _parts(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        part.append(row)
        size += len(row["attributes"])
        if len(part) >= _ROWS or size >= _CHARACTERS:
            yield part
            part, size = [], 0
    yield part


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow  # noqa: PLC0415 - heavy, and an extra  # pyright: ignore[reportMissingTypeStubs]
        import pyarrow.parquet  # noqa: PLC0415 - as above  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise UsageError(
            "Parquet needs the package pyarrow", hint="install holdfast[tables]"
        ) from error
    return pyarrow, pyarrow.parquet


def _schema(pa: Any) -> Any:
    return pa.schema(
        [
            *((name, pa.string()) for name in _TEXTS),
            *((name, pa.int64()) for name in _NUMBERS),
            ("attributes", pa.string()),
            ("resource", pa.string()),
        ]
    )


def _row(span: Span) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": _clean(span.name),
        "kind": span.kind,
        "status": span.status,
        "error": _clean(span.error),
        "scope": _clean(span.source.scope),
        "start_ns": span.start_ns,
        "duration_ns": span.duration_ns,
        "attributes": _json(plain_attributes(span.attributes)),
        "resource": _json(plain_attributes(span.source.resource)),
    }


def _json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # what only Python's own takes: wide numbers, lone surrogates
        import json  # noqa: PLC0415 - hardly ever

        return json.dumps(value)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
