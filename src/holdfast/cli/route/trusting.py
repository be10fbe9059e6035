"""`holdfast route trust`: give a provider that charged more than it quoted another chance."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output
from holdfast.cli.route.opening import with_ledger
from holdfast.cli.settings import settings_of
from holdfast.errors import UsageError

if TYPE_CHECKING:
    from holdfast.routing.ledger.ledger import Ledger


def configure(verb: str, parser: argparse.ArgumentParser) -> None:  # noqa: ARG001 - there is one
    """Add the arguments."""
    parser.add_argument("provider", metavar="PROVIDER", help="its name in holdfast.toml")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Let a provider get requests again, whatever it charged before."""
    settings = settings_of(arguments, output)
    names = [each.name for each in settings.providers]
    provider: str = arguments.provider
    reason = with_ledger(settings, lambda ledger: _trust(ledger, provider, names))
    output.data({"provider": provider, "was_distrusted": reason})
    if reason is None:
        output.line(f"{provider} is not distrusted")
    else:
        output.line(f"{provider} gets requests again; it did not because {reason}")
    return 0


async def _trust(ledger: Ledger, provider: str, names: list[str]) -> str | None:
    """Return why a provider was distrusted, None if it was not.

    Raises:
        UsageError: nobody has this name.
    """
    if provider not in {*names, *await ledger.conducts()}:
        raise UsageError(
            f"there is no provider {provider!r}",
            hint=f"configured: {', '.join(names) or 'none'}",
        )
    reason = ledger.distrusted.get(provider)
    if reason is not None:
        await ledger.trust_again(provider)
    return reason
