"""An agent that sends its whole history with every call: what is kept of it, and whether all comes back."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping

import orjson

from holdfast.tracing.payloads.keeping import Payloads
from holdfast.tracing.payloads.reading import resolve
from holdfast.tracing.redaction.redactor import Redactor
from holdfast.tracing.span import Value

_KEY = b"k" * 32


def measure(turns: int) -> Mapping[str, float]:
    """Return the ratio of kept to raw bytes, bytes that do not come back, and CPU seconds."""
    kept: dict[bytes, bytes] = {}
    redactor = Redactor(key=_KEY)
    payloads = Payloads(mode="full", redactor=redactor, key=_KEY, keep=kept.__setitem__)
    history: list[dict[str, str]] = [{"role": "system", "content": "You look things up. " * 60}]
    raw, ours, plain = 0, 0.0, 0.0
    sent: list[tuple[Value, str]] = []
    for turn in range(turns):
        history.append({"role": "user", "content": f"Question {turn}: " + f"what of {turn}? " * 90})
        begin = time.process_time()
        whole = json.dumps(history)
        plain += time.process_time() - begin
        raw += len(whole)
        begin = time.process_time()
        prepared = payloads.prepare({"gen_ai.input.messages": history})  # type: ignore[dict-item]
        ours += time.process_time() - begin
        sent.append((prepared["gen_ai.input.messages"], whole))
        history.append(
            {"role": "assistant", "content": f"Answer {turn}: " + f"that {turn}. " * 150}
        )
    references = sum(len(orjson.dumps(value)) for value, _ in sent)
    cut = sum(len(whole) for value, whole in sent if json.dumps(resolve(value, kept.get)) != whole)
    return {
        "payload_ratio": (sum(map(len, kept.values())) + references) / raw,
        "payload_cut": cut,
        "payload_cpu_ms": ours * 1000,
        "json_cpu_ms": plain * 1000,
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1])["turns"])))
