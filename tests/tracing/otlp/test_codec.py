"""A trip through OTLP loses nothing, in JSON and in protobuf, there and back."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.tracing.otlp.binary import decode_binary, encode_binary
from holdfast.tracing.otlp.files import lines_of, read_lines
from holdfast.tracing.otlp.reports import Malformed
from holdfast.tracing.otlp.text import decode_text, encode_text
from holdfast.tracing.span import HOLDFAST, Event, Source, Span, SpanLink

CODECS = [(encode_text, decode_text), (encode_binary, decode_binary)]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
counts = st.integers(0, 2**32 - 1)
times = st.integers(0, 2**62)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    | texts | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
names = texts | st.sampled_from(["holdfast.kind", "holdfast.status"])
attributes = st.dictionaries(names, values, max_size=4)
trace_ids = st.binary(min_size=16, max_size=16).filter(any).map(bytes.hex)
span_ids = st.binary(min_size=8, max_size=8).filter(any).map(bytes.hex)
sources = st.just(HOLDFAST) | st.builds(
    Source, resource=attributes, scope=texts, scope_version=texts, scope_attributes=attributes,
    resource_schema=texts, scope_schema=texts, dropped_resource=counts, dropped_scope=counts,
)  # fmt: skip
spans = st.builds(
    Span,
    trace_id=trace_ids, span_id=span_ids, parent_id=st.none() | span_ids, name=texts,
    kind=st.sampled_from(["internal", "server", "client", "unspecified", "run", "model", "step"]),
    start_ns=times, duration_ns=st.integers(0, 2**60),
    status=st.sampled_from(["unset", "ok", "error", "cancelled", "open", "lost"]),
    error=texts, attributes=attributes,
    events=st.lists(
        st.builds(
            Event, at_ns=times, name=texts, attributes=attributes, dropped_attributes=counts
        ),
        max_size=2,
    ),
    links=st.lists(
        st.builds(
            SpanLink, trace_id=trace_ids, span_id=span_ids, state=texts, attributes=attributes,
            dropped_attributes=counts, flags=counts,
        ),
        max_size=2,
    ),
    source=sources, state=texts, flags=counts, dropped_attributes=counts, dropped_events=counts,
    dropped_links=counts,
)  # fmt: skip


def plain(span: Span) -> dict[str, Any]:
    """Return a span so that two that say the same are equal."""
    found = {name: getattr(span, name) for name in Span.__slots__}
    return {**found, "events": list(span.events), "links": list(span.links)}


@pytest.mark.parametrize(("encode", "decode"), CODECS)
@pytest.mark.promise("otlp-loses-nothing")
@given(every=st.lists(spans, max_size=3))
def test_spans_come_back_from_otlp_as_they_were(
    encode: Any, decode: Any, every: list[Span]
) -> None:
    taken = decode(encode(every))
    assert taken.rejected == 0
    by_source = sorted(
        every, key=lambda span: [id(each.source) for each in every].index(id(span.source))
    )
    assert [plain(span) for span in taken.spans] == [plain(span) for span in by_source]


@pytest.mark.parametrize(("encode", "decode"), CODECS)
@given(span=spans)
def test_a_request_read_and_written_again_is_the_same_request(
    encode: Any, decode: Any, span: Span
) -> None:
    once = encode([span])
    assert encode(decode(once).spans) == once


@pytest.mark.parametrize(("encode", "decode"), CODECS)
def test_numbers_that_json_lacks_come_through(encode: Any, decode: Any) -> None:
    odd = {"nan": math.nan, "inf": math.inf, "low": -math.inf}
    span = Span(
        trace_id="a" * 32, span_id="b" * 16, parent_id=None, name="n", kind="client", start_ns=1,
        duration_ns=1, attributes=odd,
    )  # fmt: skip
    (read,) = decode(encode([span])).spans
    assert math.isnan(read.attributes["nan"])
    assert (read.attributes["inf"], read.attributes["low"]) == (math.inf, -math.inf)


def test_names_in_snake_case_numbers_as_names_and_unknown_fields_are_understood() -> None:
    body = {
        "resource_spans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"string_value": "s"}}]},
                "unknown": 3,
                "scope_spans": [
                    {
                        "spans": [
                            {
                                "trace_id": "AB" * 16, "span_id": "CD" * 8, "name": "n",
                                "kind": "SPAN_KIND_SERVER", "status": {"code": "STATUS_CODE_ERROR"},
                                "start_time_unix_nano": 5, "end_time_unix_nano": "9", "new": {},
                            }
                        ]
                    }
                ],
            }
        ]
    }  # fmt: skip
    (span,) = decode_text(json.dumps(body).encode()).spans
    assert (span.trace_id, span.kind, span.status) == ("ab" * 16, "server", "error")
    assert (span.start_ns, span.duration_ns) == (5, 4)
    assert span.source.resource == {"service.name": "s"}


@pytest.mark.parametrize(
    "ids", [("0" * 32, "b" * 16), ("a" * 32, "0" * 16), ("a" * 30, "b" * 16), ("a" * 32, "")]
)
def test_a_span_with_ids_that_are_none_is_rejected_and_the_rest_is_taken(
    ids: tuple[str, str],
) -> None:
    bad = {"traceId": ids[0], "spanId": ids[1], "name": "bad"}
    good = {"traceId": "a" * 32, "spanId": "b" * 16, "name": "good"}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [bad, good]}]}]}
    taken = decode_text(json.dumps(body).encode())
    assert ([span.name for span in taken.spans], taken.rejected) == (["good"], 1)
    assert taken.why


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"3", b'{"resourceSpans": 3}', b'{"resourceSpans": [3]}',
     b'{"resourceSpans": [{"resource": {"attributes": [3]}}]}'],
)  # fmt: skip
def test_a_body_that_is_no_request_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode_text(body)


def test_a_body_that_is_no_protobuf_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_binary(b"\xff\xff\xff\xff")


@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_be_malformed(body: bytes) -> None:
    for decode in (decode_text, decode_binary):
        with suppress(Malformed):
            decode(body)


@given(st.lists(st.lists(spans, min_size=1, max_size=2), max_size=3))
def test_a_file_gives_back_the_spans_that_were_written(traces: list[list[Span]]) -> None:
    text = "".join(lines_of(traces)).encode()
    assert sorted(span.span_id for span in read_lines(text, name="t.jsonl")) == sorted(
        span.span_id for spans in traces for span in spans
    )


def test_a_line_that_is_no_request_is_named() -> None:
    with pytest.raises(UsageError, match="line 2: the body is not JSON"):
        list(read_lines(b'{"resourceSpans": []}\nnonsense\n', name="t.jsonl"))
