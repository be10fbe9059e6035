"""How many spans a second `holdfast serve` takes in over OTLP, on one core, until they can be seen."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.otlp_load import batches, pin, resident_mib, send, wait_for


def measure(folder: Path, spans: int) -> Mapping[str, float]:
    """Return spans a second, the milliseconds until the last was seen, and the server's memory."""
    pin(1)
    bodies = batches(spans)
    with subprocess.Popen(
        [sys.executable, "-m", "holdfast", "serve", "--port", "0", "--json"],
        cwd=folder, stdout=subprocess.PIPE, text=True, preexec_fn=partial(pin, 0),  # noqa: PLW1509 - no threads yet
    ) as server:  # fmt: skip
        try:
            address = _address(server)
            send(address, batches(_WARM))
            seconds = send(address, bodies)
            last = _last_trace(bodies[-1])
            visible = wait_for(lambda: _sees(address, *last), 60)
            memory = resident_mib(server.pid)
        finally:
            server.terminate()
    return {
        "ingest_per_s": spans / (seconds + visible),
        "visible_ms": visible * 1000,
        "ingest_mib": memory,
    }


_WARM = 2048


def _address(server: subprocess.Popen[str]) -> str:
    said = ""
    while not said.endswith("}\n"):
        said += server.stdout.readline() if server.stdout else ""
    return json.loads(said)["address"]


def _last_trace(body: bytes) -> tuple[str, str]:
    from holdfast.tracing.otlp.binary import decode_binary

    span = decode_binary(body).spans[-1]
    return span.trace_id, span.span_id


def _sees(address: str, trace_id: str, span_id: str) -> bool:
    with urllib.request.urlopen(f"{address}/api/traces/{trace_id}/skeleton", timeout=20) as answer:
        return span_id in json.load(answer)["ids"]


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    print(json.dumps(measure(Path(request["folder"]), request["spans"])))
