"""`holdfast serve`: take traces in over OTLP, and give them to viewers."""

from __future__ import annotations

import argparse
from functools import partial

from holdfast.app.traces import open_traces, payloads_of
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.errors import UsageError
from holdfast.settings import environment_value

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
    from holdfast.web.application import Application  # noqa: PLC0415 - `--help` does without
    from holdfast.web.guard import Guard  # noqa: PLC0415 - as above
    from holdfast.web.server import listen, serve  # noqa: PLC0415 - as above
    from holdfast.web.traces import TraceRoutes  # noqa: PLC0415 - as above

    token = environment_value(TOKEN)
    if not token and arguments.host not in LOOPBACK:
        raise UsageError(
            f"whoever reaches {arguments.host} could read and write traces",
            hint=f"set {TOKEN} to a long random word; senders give it as Authorization: Bearer",
        )
    settings = settings_of(arguments, output)
    listener = listen(arguments.host, arguments.port)
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    address = f"http://{host}:{listener.getsockname()[1]}"

    def ready() -> None:
        output.data({"address": address})
        output.line(f"listening on {address}; Ctrl-C stops it")
        output.line(f"  OTLP: {address}/v1/traces")
        output.flush()

    with listener, open_traces(settings) as store:
        routes = TraceRoutes(store, partial(payloads_of, settings))
        try:
            serve(Application(routes, Guard(host=arguments.host, token=token)), listener, ready)
        finally:
            routes.close()
    return 0
