"""Measure the proxy beside a bare one and LiteLLM's: `python -m benchmarks.routing [--json] [--quick]`.

What counts is the processor time of a proxy's processes for each request. LiteLLM has an environment
of its own (`./dev bench routing` makes it); where it is not there, its figures are null.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import (
    Figure,
    Results,
    Values,
    default_folder,
    fresh_folder,
    interleave,
    machine,
    middle,
    middle_ratio,
    note,
    ours,
    report,
)
from benchmarks.otlp_load import pin
from benchmarks.proxies.load import Load, resident_mib, spent_ms
from benchmarks.proxies.servers import BARE, LITELLM, OURS, Running, is_there, provider, running

FIGURES = (
    Figure(name="json_vs_bare", meaning="CPU of a JSON request, ours over a bare proxy", most=3),
    Figure(name="litellm_vs_json", meaning="the same, LiteLLM over ours", least=15),
    Figure(name="stream_vs_bare", meaning="CPU of 65 chunks, ours over a bare proxy", most=2),
    Figure(name="litellm_vs_stream", meaning="the same, LiteLLM over ours", least=25),
    Figure(name="proxy_mib", meaning="our memory after 10,000 requests, MiB", most=90),
    Figure(name="first_ms", meaning="from process start to the first answer, ms", most=1000),
    Figure(name="choose_us", meaning="choice by name, 10,000 endpoints, us", most=10),
    Figure(name="choose_any_us", meaning="choice of any model, us", most=100),
    Figure(name="import_ms", meaning="import holdfast.routing above bare Python, ms", most=100),
    Figure(name="router_ms", meaning="the same, import holdfast.routing.router, ms"),
    Figure(name="json_ms", meaning="CPU of a JSON request, ours, ms"),
    Figure(name="stream_ms", meaning="CPU of a stream, ours, ms"),
    Figure(name="json_many_vs_bare", meaning="JSON over 16 connections, ours over bare"),
    Figure(name="stream_many_vs_bare", meaning="streams over 16 connections, ours over bare"),
    Figure(name="bare_json_ms", meaning="CPU of a JSON request, bare, ms"),
    Figure(name="bare_stream_ms", meaning="CPU of a stream, bare, ms"),
    Figure(name="litellm_json_ms", meaning="CPU of a JSON request, LiteLLM, ms"),
    Figure(name="litellm_stream_ms", meaning="CPU of a stream, LiteLLM, ms"),
    Figure(name="litellm_mib", meaning="LiteLLM's memory, after far fewer requests, MiB"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured."""

    rounds: int = 5
    requests: int = 400
    streams: int = 150
    peer: int = 40
    total: int = 10_000
    starts: int = 5


QUICK = Amount(rounds=1, requests=50, streams=20, peer=3, total=500, starts=1)
_MANY = 16


def measure(amount: Amount, folder: Path) -> Values:
    """Return every figure; those of a peer that is not there are None."""
    values: Values = {}
    note("benchmarks: choices and import")
    values |= ours("choices", folder, rounds=amount.rounds * 10)()
    for name, module in (
        ("import_ms", "holdfast.routing"),
        ("router_ms", "holdfast.routing.router"),
    ):
        values[name] = _import_ms(module, amount.starts * 3)
    pin(1)
    with provider() as upstream:
        values["first_ms"] = median(_first_ms(folder, upstream) for _ in range(amount.starts))
        return values | _proxies(amount, folder, upstream)


def _import_ms(module: str, rounds: int) -> float:
    def took(code: str) -> Results:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return {"ms": (time.perf_counter() - begin) * 1000}

    both = {"import": lambda: took(f"import {module}"), "bare": lambda: took("pass")}
    return median(
        each["import"]["ms"] - each["bare"]["ms"] for each in interleave(both, rounds + 1)[1:]
    )


def _first_ms(folder: Path, upstream: int) -> float:
    with fresh_folder(folder) as fresh, running(OURS, fresh, upstream) as proxy:
        return proxy.first_ms


def _proxies(amount: Amount, folder: Path, upstream: int) -> Values:
    note("benchmarks: proxies")
    with ExitStack() as stack:
        fresh = stack.enter_context(fresh_folder(folder))
        up = {
            each.name: stack.enter_context(running(each, fresh, upstream))
            for each in (OURS, BARE, LITELLM)
            if is_there(each)
        }
        if LITELLM.name not in up:
            note("benchmarks: no litellm, so its figures are null; `./dev bench routing` makes it")
        asked = {name: _warmed(each, name, amount) for name, each in up.items()}
        rounds = interleave(
            {name: partial(_round, up[name], loads) for name, loads in asked.items()}, amount.rounds
        )
        sent = sum(each.requests for each in asked["ours"].values()) * (amount.rounds + 1)
        spent_ms(
            up["ours"].port,
            up["ours"].pid,
            Load(requests=max(1, amount.total - sent), connections=_MANY),
        )
        memory = {f"{name}_mib": resident_mib(each.pid) for name, each in up.items()}
    return {
        **_compared(rounds),
        "proxy_mib": memory["ours_mib"],
        "litellm_mib": memory.get("litellm_mib"),
    }


def _warmed(proxy: Running, name: str, amount: Amount) -> Mapping[str, Load]:
    """Return what a proxy is asked in each round, asked once already."""
    few = name == LITELLM.name
    whole = amount.peer if few else amount.requests
    streams = amount.peer if few else amount.streams
    loads = {
        "json": Load(requests=whole),
        "stream": Load(requests=streams, streams=True),
        "json_many": Load(requests=whole, connections=_MANY),
        "stream_many": Load(requests=streams, connections=_MANY, streams=True),
    }
    _round(proxy, loads)
    return loads


def _round(proxy: Running, loads: Mapping[str, Load]) -> Results:
    return {name: spent_ms(proxy.port, proxy.pid, load) for name, load in loads.items()}


def _compared(rounds: list[dict[str, Results]]) -> Values:
    def ratio(above: str, below: str, what: str) -> float | None:
        return middle_ratio(rounds, (above, what), [(below, what)]) if above in rounds[0] else None

    return {
        "json_vs_bare": ratio("ours", "bare", "json"),
        "stream_vs_bare": ratio("ours", "bare", "stream"),
        "json_many_vs_bare": ratio("ours", "bare", "json_many"),
        "stream_many_vs_bare": ratio("ours", "bare", "stream_many"),
        "litellm_vs_json": ratio("litellm", "ours", "json"),
        "litellm_vs_stream": ratio("litellm", "ours", "stream"),
        "json_ms": middle(rounds, "ours", "json"),
        "stream_ms": middle(rounds, "ours", "stream"),
        "bare_json_ms": middle(rounds, "bare", "json"),
        "bare_stream_ms": middle(rounds, "bare", "stream"),
        "litellm_json_ms": middle(rounds, "litellm", "json"),
        "litellm_stream_ms": middle(rounds, "litellm", "stream"),
    }


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description="Measure the proxy and the choice of endpoints.")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object in the last line"
    )
    parser.add_argument("--quick", action="store_true", help="little of everything, to try it out")
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="where stores are made"
    )
    arguments = parser.parse_args()
    values = measure(QUICK if arguments.quick else Amount(), arguments.folder)
    report(FIGURES, values, as_json=arguments.json, more={"machine": machine()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
