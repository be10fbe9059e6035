"""Send spans over OTLP to whoever takes them, and say when the last can be seen.

Protobuf batches of 512 spans of about 600 bytes, of 1,000 traces, over four connections, as several
processes that export have. Used for us and for peers alike.
"""

from __future__ import annotations

import http.client
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from holdfast.tracing.otlp.binary import encode_binary
from holdfast.tracing.span import Source, Span

_BATCH = 512
_TRACES = 1000
_AGAIN = frozenset({429, 502, 503, 504})
"""The statuses after which an exporter sends once more (OTLP, section OTLP/HTTP Response)."""


def batches(count: int) -> Sequence[bytes]:
    """Return requests with so many spans in all."""
    chance = random.Random(5)
    source = Source(resource={"service.name": "bench"}, scope="bench", scope_version="1")
    base = time.time_ns() - 60_000_000_000
    run = int.from_bytes(os.urandom(8), "big")
    spans = [
        Span(
            trace_id=f"{run:016x}{number % _TRACES + 1:016x}",
            span_id=_span_id(run, number),
            parent_id=None if number < _TRACES else _span_id(run, number % _TRACES),
            name=f"node {number % 20}",
            kind="internal",
            start_ns=base + number * 1000,
            duration_ns=chance.randrange(10**8),
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.usage.input_tokens": chance.randrange(5000),
                "gen_ai.usage.output_tokens": chance.randrange(900),
                "server.address": "api.example.com",
                "note": f"span {number} " + "of the load that is sent " * 12,
                "temperature": 0.7,
                "stream": True,
            },
            source=source,
        )
        for number in range(count)
    ]
    return [encode_binary(spans[at : at + _BATCH]) for at in range(0, count, _BATCH)]


def _span_id(run: int, number: int) -> str:
    """Return an id that no other load has: some servers take spans of one id for one span."""
    return f"{(run + number) % (1 << 64) or 1:016x}"


def send(
    address: str,
    bodies: Sequence[bytes],
    path: str = "/v1/traces",
    *,
    senders: int = 4,
    headers: Mapping[str, str] | None = None,
) -> float:
    """Send all requests over some connections at once; return the seconds until the last answer."""
    waiting: SimpleQueue[bytes] = SimpleQueue()
    for body in bodies:
        waiting.put(body)
    with ThreadPoolExecutor(senders) as pool:
        begin = time.perf_counter()
        work = [
            pool.submit(_send_some, address, path, waiting, headers or {}) for _ in range(senders)
        ]
        for each in work:
            each.result()
        return time.perf_counter() - begin


def _send_some(
    address: str, path: str, waiting: SimpleQueue[bytes], headers: Mapping[str, str]
) -> None:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)
    said = {"Content-Type": "application/x-protobuf", **headers}
    try:
        while True:
            try:
                body = waiting.get_nowait()
            except Empty:
                return
            connection.request("POST", path, body, said)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status in _AGAIN:  # as exporters do; the time that it takes counts
                waiting.put(body)
                time.sleep(0.1)
                continue
            if answer.status >= 300:
                raise RuntimeError(f"{address}{path} answers {answer.status}: {text[:200]!r}")
    finally:
        connection.close()


def wait_for(seen: Callable[[], bool], limit: float) -> float:
    """Return how many seconds it took until all was seen."""
    begin = time.perf_counter()
    while not seen():
        if time.perf_counter() - begin > limit:
            raise RuntimeError(f"not everything was seen within {limit:.0f} s")
        time.sleep(0.01)
    return time.perf_counter() - begin


def resident_mib(pid: int) -> float:
    """Return the most memory that a process ever had, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return int(next(each for each in lines if each.startswith("VmHWM")).split()[1]) / 1024


def pin(cpu: int) -> None:
    """Keep this process on one processor, if there is more than one."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {cpu})
