"""Files of OTLP: a request in JSON a line, as the file exporter of the collector writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import orjson

from holdfast.errors import UsageError
from holdfast.tracing.otlp.reports import Malformed
from holdfast.tracing.otlp.text import decode_text, encode_text
from holdfast.tracing.span import Span


def lines_of(traces: Iterable[Sequence[Span]]) -> Iterator[str]:
    """Yield a line a trace."""
    for spans in traces:
        yield encode_text(spans).decode() + "\n"


def read_lines(data: bytes, *, name: str) -> Iterator[Span]:
    """Yield the spans of the file `name`: requests a line each, or one request as a document.

    Raises:
        UsageError: a line is no request, or a span in it is none; the message says which.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        return
    whole = _is_one(text)
    for number, line in enumerate([text] if whole else text.splitlines(), 1):
        if not line.strip():
            continue
        where = name if whole else f"{name}, line {number}"
        try:
            taken = decode_text(line)
        except Malformed as error:
            hint = "give OTLP in JSON, such as `holdfast trace export otlp` writes"
            raise UsageError(f"{where}: {error.message}", hint=hint) from error
        if taken.rejected:
            raise UsageError(f"{where}: {_are_none(taken.rejected)}: {taken.why}")
        yield from taken.spans


def _are_none(spans: int) -> str:
    return "1 span is none" if spans == 1 else f"{spans} spans are none"


def _is_one(text: bytes) -> bool:
    """Whether all of it is one JSON document."""
    if b"\n" not in text:
        return True
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
