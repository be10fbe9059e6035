"""`holdfast trace reprice`."""

from __future__ import annotations

import argparse

from holdfast.cli.output import Output, count
from holdfast.cli.trace.desk import traces_of
from holdfast.cli.trace.parts import add_query, query_of
from holdfast.cli.trace.printing import money
from holdfast.cli.trace.waiting import waiting_shown
from holdfast.clock import SystemClock
from holdfast.frozen import frozen
from holdfast.tracing.store.seam import Query, TraceStore

_EVERY = 2**62


@frozen
class _Bill:
    """What all calls cost together as far as it is known, in msat and micros by currency."""

    calls: int
    unknown: int
    msat: int
    micros: dict[str, int]

    @property
    def said(self) -> str:
        if self.unknown == self.calls:
            return "unknown" if self.calls else "nothing"
        known = [money(self.msat), *(money(None, each, name) for name, each in self.micros.items())]
        unknown = f", unknown of {count(self.unknown, 'call')}" if self.unknown else ""
        return " / ".join(known) + unknown

    @property
    def data(self) -> dict[str, object]:
        micros = dict(self.micros)
        return {"unknown": self.unknown, "cost_msat": self.msat, "cost_micros": micros}


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    del verb
    add_query(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Make the digests anew with the prices and rates of now, and say what that changed."""
    query = query_of(arguments, SystemClock().now_ms())
    with traces_of(arguments, output) as traces:
        before = _bill(traces, query)
        repriced = traces.unsettle(query)
        with waiting_shown(output) as watch:
            traces.settle(watch=watch)
        now = _bill(traces, query)
    output.data({"traces": repriced, "calls": now.calls, "before": before.data, "now": now.data})
    output.line(f"{count(repriced, 'trace')}, {count(now.calls, 'call')} of models")
    output.line(f"  before  {before.said}")
    output.line(f"  now     {now.said}")
    return 0


def _bill(traces: TraceStore, query: Query) -> _Bill:
    rows = traces.costs("model", query, limit=_EVERY)
    micros: dict[str, int] = {}
    for row in rows:
        if row.cost_micros:
            micros[row.currency] = micros.get(row.currency, 0) + row.cost_micros
    return _Bill(
        calls=sum(row.calls for row in rows),
        unknown=sum(row.unknown for row in rows),
        msat=sum(row.cost_msat for row in rows),
        micros=micros,
    )
