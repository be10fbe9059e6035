"""Send traces to an OTLP endpoint, for `holdfast trace export otlp --to URL`."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import re
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from holdfast.app.places import traces_folder
from holdfast.app.traces import whole_spans
from holdfast.cli.output import Output, count
from holdfast.cli.settings import settings_of
from holdfast.clock import SystemClock
from holdfast.errors import UsageError
from holdfast.settings import environment_value
from holdfast.tracing.otlp.exporting import Progress, send_traces
from holdfast.tracing.store.seam import TraceStore

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def send(
    arguments: argparse.Namespace, output: Output, traces: TraceStore, ids: Sequence[str]
) -> int:
    """Send the traces and say what came of it."""
    settings = settings_of(arguments, output)
    _check_address(arguments.to)
    folder = traces_folder(settings)
    if folder is None:
        raise UsageError("a store in memory has no traces to send")
    name = hashlib.blake2b(arguments.to.encode(), digest_size=8).hexdigest()
    progress = Progress(folder / "sent" / f"{name}.json")
    headers = dict(map(_header, arguments.header))
    sent = asyncio.run(
        send_traces(
            ids,
            partial(whole_spans, traces),
            arguments.to,
            headers=headers,
            progress=progress,
            clock=SystemClock(),
        )
    )
    output.data(
        {
            "spans": sent.spans,
            "batches": sent.batches,
            "rejected": sent.rejected,
            "why": sent.why or None,
        }
    )
    output.line(f"sent {count(sent.spans, 'span')} in {sent.batches} requests")
    if sent.rejected:
        output.line(f"{sent.rejected} were rejected: {sent.why}")
        return 1
    return 0


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise UsageError(
            f"{url!r} is no address", hint="give one such as http://127.0.0.1:4318/v1/traces"
        )


def _header(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise UsageError(f"{text!r} is no header", hint="write --header 'NAME=VALUE'")
    return name.strip(), _VARIABLE.sub(lambda match: _variable(match[1]), value)


def _variable(name: str) -> str:
    value = environment_value(name)
    if value is None:
        raise UsageError(f"the environment variable {name} is not set")
    return value
