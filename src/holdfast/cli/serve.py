"""`holdfast serve`: take traces in over OTLP, give them to viewers, and lead to models."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from holdfast.app.traces import open_traces, payloads_of
from holdfast.cli.keys import warn_of_keys
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.errors import UsageError
from holdfast.settings import Settings, environment_value

if TYPE_CHECKING:
    from holdfast.web.application import Routes
    from holdfast.web.guard import Guard

LOOPBACK = ("127.0.0.1", "::1", "localhost")
TOKEN = "HOLDFAST_TOKEN"  # noqa: S105 - the name of a variable


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: this machine only)"
    )
    parser.add_argument(
        "--port", type=int, default=4318, metavar="N",
        help="the port; 0 takes a free one (default 4318, that of OTLP over HTTP)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Serve until somebody stops it."""
    guard = guard_of(arguments, "could read and write traces, and spend your money on models")
    settings = settings_of(arguments, output)
    warn_of_keys(settings.providers, output)
    told = ["OTLP: {address}/v1/traces", "OpenAI clients: base_url {address}/v1"]
    return serve_routes(arguments, output, guard, _open_all(settings), told)


@asynccontextmanager
async def _open_all(settings: Settings) -> AsyncGenerator[Sequence[Routes]]:
    from holdfast.app.proxying import open_proxy  # noqa: PLC0415 - `--help` does without
    from holdfast.web.traces import TraceRoutes  # noqa: PLC0415 - as above

    with open_traces(settings) as store:
        traces = TraceRoutes(store, partial(payloads_of, settings))
        try:
            async with open_proxy(settings) as models:
                yield [traces, *models]
        finally:
            traces.close()


def guard_of(arguments: argparse.Namespace, harm: str) -> Guard:
    """Return who may ask. `harm` is what whoever reaches an address without a token could do.

    Raises:
        UsageError: the address is not this machine's own, and there is no token.
    """
    from holdfast.web.guard import Guard  # noqa: PLC0415 - `--help` does without

    token = environment_value(TOKEN)
    if not token and arguments.host not in LOOPBACK:
        raise UsageError(
            f"whoever reaches {arguments.host} {harm}",
            hint=f"set {TOKEN} to a long random word; senders give it as Authorization: Bearer",
        )
    return Guard(host=arguments.host, token=token)


def serve_routes(
    arguments: argparse.Namespace,
    output: Output,
    guard: Guard,
    opened: AbstractAsyncContextManager[Sequence[Routes]],
    told: Sequence[str],
) -> int:
    """Serve routes until somebody stops it; `told` are lines to print, in which `{address}` stands.

    Return the exit code: 130 after Ctrl-C, so that a script ends with it, 0 after SIGTERM.
    """
    from holdfast.web.application import Application  # noqa: PLC0415 - `--help` does without
    from holdfast.web.server import listen, serve  # noqa: PLC0415 - as above

    listener = listen(arguments.host, arguments.port)
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    address = f"http://{host}:{listener.getsockname()[1]}"

    def ready() -> None:
        output.data({"address": address})
        output.line(f"listening on {address}; Ctrl-C stops it")
        for line in told:
            output.line(f"  {line.format(address=address)}")
        output.flush()

    async def work() -> signal.Signals | None:
        async with opened as routes:
            return await serve(Application(routes, guard), listener, ready)

    with listener:
        return 130 if asyncio.run(work()) is signal.SIGINT else 0
