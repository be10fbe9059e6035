"""`holdfast proxy`: give programs one address for all models, and see what they spend."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.keys import warn_of_keys
from holdfast.cli.output import Output
from holdfast.cli.serve import guard_of, serve_routes
from holdfast.cli.settings import settings_of

if TYPE_CHECKING:
    from holdfast.settings import Settings

PORT = 4319


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: this machine only)"
    )
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="N",
        help=f"the port; 0 takes a free one (default {PORT})",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Serve until somebody stops it."""
    from holdfast.app.proxying import open_proxy  # noqa: PLC0415 - `--help` does without

    guard = guard_of(arguments, "could spend your money on models")
    settings = settings_of(arguments, output)
    warn_of_keys(settings.providers, output)
    return serve_routes(arguments, output, guard, open_proxy(settings), _told(settings))


def _told(settings: Settings) -> list[str]:
    models = [*dict.fromkeys(name for each in settings.providers for name in each.models)]
    listed = ", ".join(models[:5]) + (", ..." if len(models) > 5 else "")
    if not listed and settings.providers:
        listed = f"those of {', '.join(each.name for each in settings.providers)}"
    return [
        "OpenAI clients: base_url {address}/v1",
        f"models: {listed or 'offline/extract only; add providers to holdfast.toml'}",
    ]
