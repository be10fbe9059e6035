"""Open the traces for a verb of `holdfast trace`, and find the one that is meant."""

from __future__ import annotations

import argparse
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from holdfast.app.traces import open_traces
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.trace.waiting import waiting_shown
from holdfast.errors import UsageError
from holdfast.ids import normalise_prefix
from holdfast.tracing.store.seam import TraceStore

NEWEST = "last"


@contextmanager
def traces_of(
    arguments: argparse.Namespace, output: Output, *, make: bool = False
) -> Generator[TraceStore]:
    """Give the traces of the project, with all that has been journaled until now."""
    with ExitStack() as opened:
        with waiting_shown(output) as watch:
            settings = settings_of(arguments, output)
            traces = opened.enter_context(open_traces(settings, make=make, watch=watch))
        yield traces


def find_trace(traces: TraceStore, text: str) -> str:
    """Return the id of the trace that is meant.

    Raises:
        UsageError: there is none, or more than one.
    """
    if text == NEWEST:
        page = traces.traces(limit=1)
        if page.traces:
            return page.traces[0].trace_id
        raise UsageError("there are no traces yet", hint="a run leaves one: holdfast run FILE")
    prefix = normalise_prefix(text)
    found = traces.find(prefix, limit=2) if prefix else ()
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(each[:12] for each in found)
        raise UsageError(f"{text!r} may mean several traces: {listed}", hint="type more of the id")
    raise UsageError(
        f"there is no trace {text!r}", hint="`holdfast trace list` shows what there is"
    )
