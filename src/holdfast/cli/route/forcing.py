"""`holdfast route circuit`: hold the circuit of an endpoint open or closed by hand."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output
from holdfast.cli.route.opening import with_dispatcher
from holdfast.cli.settings import settings_of
from holdfast.errors import UsageError

if TYPE_CHECKING:
    from holdfast.routing.breakers.rules import Forced
    from holdfast.routing.dispatching.dispatcher import Dispatcher

_TOLD = {
    "open": "is left alone until you say otherwise",
    "closed": "is asked whatever happens, until you say otherwise",
    "auto": "is asked as it answers",
}


def configure(verb: str, parser: argparse.ArgumentParser) -> None:  # noqa: ARG001 - there is one
    """Add the arguments."""
    parser.add_argument(
        "endpoint", metavar="PROVIDER[/MODEL]", help="all of a provider, or a model"
    )
    parser.add_argument(
        "state", choices=tuple(_TOLD),
        help="open: leave it alone; closed: always ask it; auto: let it decide, all forgotten",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Force a circuit; running processes see it within a second."""
    endpoint, state = arguments.endpoint, arguments.state
    forced: Forced | None = None if state == "auto" else state
    settings = settings_of(arguments, output)
    with_dispatcher(settings, lambda dispatcher: _force(dispatcher, endpoint, forced))
    output.data({"endpoint": endpoint, "forced": forced})
    output.line(f"{endpoint} {_TOLD[state]}")
    return 0


def _force(dispatcher: Dispatcher, endpoint: str, forced: Forced | None) -> None:
    """Force the circuit of an endpoint.

    Raises:
        UsageError: no provider is called so.
    """
    from holdfast.routing.breakers.board import Place  # noqa: PLC0415 - `--help` does without

    name, _, model = endpoint.partition("/")
    provider = dispatcher.providers.get(name)
    if provider is None or (model and not provider.serves(model)):
        names = ", ".join(dispatcher.providers)
        raise UsageError(f"there is no endpoint {endpoint!r}", hint=f"providers: {names}")
    dispatcher.board.force(Place(name, provider.traits.key, model), forced)
