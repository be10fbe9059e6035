"""`holdfast serve` takes spans in over OTLP, answers when they are stored, and lets nobody else in."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from holdfast.tracing.digesting import digest_of
from holdfast.tracing.otlp.binary import encode_binary
from holdfast.tracing.otlp.text import encode_text
from holdfast.tracing.span import Span
from holdfast.tracing.store.opening import open_trace_store
from tests.web.making import Served, served

JSON = {"content_type": "application/json"}
SECRET = "sk-proj-abcdefghij0123456789KLMNOP"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served")) as running:
        yield running


def span(number: int, trace: str = "a" * 32, **members: Any) -> Span:
    return Span(
        **{
            "trace_id": trace, "span_id": f"{number + 1:016x}", "parent_id": None,
            "name": f"n{number % 7}", "kind": "client", "start_ns": 10**18 + number,
            "duration_ns": 1000, **members,
        }
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate", "zstd"])
@pytest.mark.parametrize("binary", [True, False])
def test_spans_are_taken_in_both_forms_and_packed_in_every_way(
    server: Served, encoding: str, binary: bool
) -> None:
    pack = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress,
            "zstd": zstd.compress}[encoding]  # fmt: skip
    trace = f"{len(encoding) * 2 + binary:032x}"
    encode = encode_binary if binary else encode_text
    kind = "application/x-protobuf" if binary else "application/json"
    answer = server.ask(
        "/v1/traces", pack(encode([span(0, trace), span(1, trace)])), content_type=kind,
        content_encoding=encoding,
    )  # fmt: skip
    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    skeleton = server.ask(f"/api/traces/{trace}/skeleton").data
    assert [skeleton["names"][each] for each in skeleton["name"]] == ["n0", "n1"]


def test_what_is_no_span_is_counted_and_the_rest_is_kept(server: Served) -> None:
    bad = {"traceId": "0" * 32, "spanId": "b" * 16, "name": "bad"}
    good = {"traceId": "c" * 32, "spanId": "b" * 16, "name": "good"}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [bad, good]}]}]}).encode()
    answer = server.ask("/v1/traces", body, **JSON)
    assert answer.data["partialSuccess"]["rejectedSpans"] == "1"
    assert server.ask(f"/api/traces/{'c' * 32}/skeleton").data["names"] == ["good"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"{", JSON, 400, "not JSON"),
        (b"{}", {"content_type": "text/plain"}, 415, "send OTLP as"),
        (b"{}", {**JSON, "content_encoding": "br"}, 415, "encoding 'br'"),
        (b"{}", {**JSON, "content_encoding": "gzip"}, 400, "compressed body is broken"),
        (
            gzip.compress(b"{}", mtime=0)[:-9],
            {**JSON, "content_encoding": "gzip"},
            400,
            "ends in the middle",
        ),
        (
            gzip.compress(b" " * (65 << 20), mtime=0),
            {**JSON, "content_encoding": "gzip"},
            413,
            "64 MiB",
        ),
        (zstd.compress(b" " * (65 << 20)), {**JSON, "content_encoding": "zstd"}, 413, "64 MiB"),
        (b"{}", {**JSON, "host": "evil.example"}, 403, "this server is not"),
        (b"{}", {**JSON, "origin": "http://evil.example"}, 403, "pages from elsewhere"),
    ],
)
def test_a_request_that_cannot_be_is_refused_with_what_to_change(
    server: Served, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    answer = server.ask("/v1/traces", body, **headers)
    assert answer.status == status
    assert said in answer.data["error"]["message"]


def test_places_and_methods_that_are_none_are_told(server: Served) -> None:
    assert server.ask("/nothing").status == 404
    assert server.ask("/v1/traces").status == 405
    assert server.ask(f"/api/traces/{'e' * 32}/skeleton").status == 404
    assert server.ask("/api/traces?limit=0").status == 400
    assert server.ask("/health").data["status"] == "ok"


def test_a_span_is_told_whole_and_without_its_secrets(server: Served, tmp_path: Path) -> None:
    long = "word " * 1000
    said = {"input": long, "note": f"key {SECRET}", "api_key": "hunter22"}
    server.ask("/v1/traces", encode_text([span(0, "d" * 32, attributes=said)]), **JSON)
    told = server.ask(f"/api/traces/{'d' * 32}/spans/{1:016x}").data
    assert told["attributes"]["input"] == long
    assert SECRET not in json.dumps(told)
    assert "hunter22" not in json.dumps(told)


def test_a_skeleton_of_ten_thousand_spans_has_at_most_six_hundred_thousand_bytes(
    server: Served,
) -> None:
    spans = [span(n, "9" * 32, parent_id=f"{n // 3 + 1:016x}" if n else None,
                  duration_ns=10**9 + n * 10**6) for n in range(10_000)]  # fmt: skip
    server.ask("/v1/traces", encode_text(spans), **JSON)
    answer = server.ask(f"/api/traces/{'9' * 32}/skeleton")
    assert len(answer.body) <= 600_000
    assert len(answer.data["name"]) == 10_000


def test_requests_at_once_are_all_stored(server: Served) -> None:
    def send(thread: int) -> None:
        for number in range(20):
            body = encode_text([span(thread * 100 + number, "8" * 32)])
            assert server.ask("/v1/traces", body, **JSON).status == 200

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.ask(f"/api/traces/{'8' * 32}/skeleton").data["name"]) == 160


@pytest.mark.promise("otlp-acknowledged-is-stored")
def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    acknowledged = 0
    with served(tmp_path) as running:
        for number in range(30):
            body = encode_text([span(number * 10 + each) for each in range(10)])
            assert running.ask("/v1/traces", body, **JSON).status == 200
            acknowledged += 10
        running.kill()
    path = tmp_path / ".holdfast" / "traces" / "traces.db"
    with open_trace_store(f"sqlite:{path}", digester=digest_of) as store:
        assert len(store.spans("a" * 32)) == acknowledged


def test_another_address_wants_a_token_and_checks_it(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "holdfast", "serve", "--host", "0.0.0.0", "--port", "0"],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "set HOLDFAST_TOKEN" in refused.stderr
    with served(tmp_path, HOLDFAST_TOKEN="long-random-word") as running:
        assert running.ask("/api/traces").status == 401
        assert running.ask("/api/traces", authorization="Bearer wrong").status == 401
        assert running.ask("/api/traces", authorization="Bearer long-random-word").status == 200
        assert running.ask("/health").status == 200


def test_a_taken_port_is_told_and_an_interrupt_ends_it_well(tmp_path: Path) -> None:
    with served(tmp_path) as running:
        port = running.address.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "holdfast", "serve", "--port", port],
            cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert second.returncode == 2
        assert f"port {port} of 127.0.0.1 is taken" in second.stderr
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(20) in (0, 130)
        assert running.process.stderr is not None
        assert "Traceback" not in running.process.stderr.read()


def test_the_exporter_of_the_sdk_sends_to_us(server: Served) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{server.address}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("foreign", "1.2").start_as_current_span("outer") as outer:
        outer.set_attribute("numbers", [1, 2])
        outer.add_event("tick")
    provider.shutdown()
    context = outer.get_span_context()
    told = server.ask(f"/api/traces/{context.trace_id:032x}/spans/{context.span_id:016x}").data
    assert (told["name"], told["scope"], told["attributes"]) == (
        "outer",
        "foreign",
        {"numbers": [1, 2]},
    )
    assert told["events"][0]["name"] == "tick"
