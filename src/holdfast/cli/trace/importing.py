"""`holdfast trace import`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from holdfast.app.traces import payloads_of
from holdfast.cli.output import Output, count
from holdfast.cli.settings import settings_of
from holdfast.cli.trace.desk import traces_of
from holdfast.errors import UsageError
from holdfast.tracing.entries import Entry, Part

_AT_ONCE = 2000


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    del verb
    parser.add_argument(
        "file", metavar="FILE",
        help="OTLP as JSON lines or as one JSON document, such as `export otlp` writes; `-` reads "
        "standard input",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Bring the spans in."""
    from holdfast.tracing.otlp.files import read_lines  # noqa: PLC0415 - only here

    spans = list(read_lines(_read(arguments.file), name=_said(arguments.file)))
    parts: list[Part] = []
    payloads = payloads_of(
        settings_of(arguments, output),
        lambda hash_, data: parts.append(Part(hash=hash_, data=data)),
    )
    with traces_of(arguments, output, make=True) as traces:
        for start in range(0, len(spans), _AT_ONCE):
            some = [payloads.prepare_span(span) for span in spans[start : start + _AT_ONCE]]
            entries: list[Entry] = [*parts, *some]
            traces.add(entries)
            parts.clear()
        traces.settle()
    ids = {span.trace_id for span in spans}
    output.data({"spans": len(spans), "traces": sorted(ids)})
    output.line(f"brought in {count(len(spans), 'span')} of {count(len(ids), 'trace')}")
    return 0


def _said(name: str) -> str:
    return "standard input" if name == "-" else name


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
