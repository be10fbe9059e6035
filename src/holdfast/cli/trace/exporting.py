"""`holdfast trace export`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from holdfast.app.traces import whole_spans
from holdfast.cli.output import Output, count
from holdfast.cli.trace.desk import find_trace, traces_of
from holdfast.cli.trace.parts import add_query, query_of
from holdfast.clock import SystemClock
from holdfast.errors import UsageError
from holdfast.tracing.span import Span
from holdfast.tracing.store.seam import TraceStore

FORMATS = ("chrome", "speedscope", "otlp", "parquet")
_PAGE = 100


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    del verb
    parser.add_argument(
        "format", choices=FORMATS,
        help="chrome (Perfetto opens it), speedscope, otlp (JSON lines), parquet (needs "
        "holdfast[tables])",
    )  # fmt: skip
    parser.add_argument(
        "id",
        metavar="ID",
        nargs="*",
        help="these traces (or say which below); `last` is the newest",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write to a new file, not to standard output"
    )
    parser.add_argument(
        "--previews", action="store_true",
        help="the beginnings of long payloads, not the whole of them",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="the file may be there already")
    parser.add_argument(
        "--to", metavar="URL",
        help="send OTLP to an endpoint such as http://127.0.0.1:4318/v1/traces; what it does not "
        "take is sent by the next try",
    )  # fmt: skip
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME=VALUE",
        help="a header for the endpoint; VALUE may be ${VARIABLE}",
    )  # fmt: skip
    add_query(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Write the traces."""
    _check(arguments)
    with traces_of(arguments, output) as traces:
        ids = list(_wanted(arguments, traces))
        if not ids:
            raise UsageError("no such traces", hint="`holdfast trace list` shows what there is")
        if arguments.to:
            return _send(arguments, output, traces, ids)
        every = _Loaded(traces, ids, whole=not arguments.previews)
        if arguments.format == "parquet":
            _export_parquet(every, arguments.out)
        else:
            _export_text(arguments, output, every)
        spans = every.spans
    output.note(f"wrote {count(len(ids), 'trace')}, {count(spans, 'span')}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.to and arguments.previews:
        raise UsageError("--to sends payloads whole", hint="leave --previews away")
    if arguments.to and arguments.format != "otlp":
        raise UsageError("--to sends OTLP only", hint="holdfast trace export otlp --to URL")
    if arguments.format == "parquet" and arguments.out is None:
        raise UsageError("Parquet is no text for a terminal", hint="name a file: --out FILE")
    if arguments.out is not None and arguments.out.exists() and not arguments.force:
        raise UsageError(f"{arguments.out} is there already", hint="--force replaces it")
    if arguments.out is not None and arguments.out.is_dir():
        raise UsageError(f"{arguments.out} is a folder", hint="name a file in it")


def _wanted(arguments: argparse.Namespace, traces: TraceStore) -> Iterator[str]:
    if arguments.id:
        yield from (find_trace(traces, each) for each in arguments.id)
        return
    query, cursor = query_of(arguments, SystemClock().now_ms()), ""
    while True:
        page = traces.traces(query, limit=_PAGE, cursor=cursor)
        yield from (each.trace_id for each in page.traces)
        cursor = page.cursor
        if not cursor:
            return


class _Loaded:
    """The traces, one after the other as they are asked for, and how many spans that were."""

    def __init__(self, traces: TraceStore, ids: Sequence[str], *, whole: bool) -> None:
        self._load = partial(whole_spans, traces) if whole else traces.spans
        self._ids = ids
        self.spans = 0

    def __iter__(self) -> Iterator[Sequence[Span]]:
        for each in self._ids:
            spans = self._load(each)
            self.spans += len(spans)
            yield spans


def _export_text(
    arguments: argparse.Namespace, output: Output, every: Iterable[Sequence[Span]]
) -> None:
    pieces = _rendered(arguments.format, every)
    if arguments.out is None:
        for piece in pieces:
            output.raw(piece)
    else:
        _write(arguments.out, pieces)


def _rendered(form: str, every: Iterable[Sequence[Span]]) -> Iterator[str]:
    """Yield the text in pieces, because payloads may be long."""
    if form == "otlp":
        from holdfast.tracing.otlp.files import lines_of  # noqa: PLC0415 - only here

        yield from lines_of(every)
    elif form == "chrome":
        from holdfast.tracing.exports.chrome import chrome_text  # noqa: PLC0415 - only here

        yield from chrome_text(every)
    else:
        from holdfast.tracing.exports.speedscope import speedscope_document  # noqa: PLC0415 - as above

        yield json.dumps(speedscope_document(list(every)), ensure_ascii=False) + "\n"


def _write(path: Path, pieces: Iterable[str]) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", errors="surrogatepass") as file:
            file.writelines(pieces)
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _export_parquet(every: Iterable[Sequence[Span]], path: Path) -> None:
    from holdfast.tracing.store.parquet import export_parquet  # noqa: PLC0415 - only here

    export_parquet(every, path)


def _send(
    arguments: argparse.Namespace, output: Output, traces: TraceStore, ids: Sequence[str]
) -> int:
    from holdfast.cli.trace.sending import send  # noqa: PLC0415 - only here

    return send(arguments, output, traces, ids)
