"""Warn of providers that cannot be asked for want of a key."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.cli.output import Output
from holdfast.routing.config import ProviderConfig


def warn_of_keys(providers: Iterable[ProviderConfig], output: Output) -> None:
    """Warn once for each provider whose key is not there."""
    for each in providers:
        if each.keyless:
            output.note(
                f"warning: provider {each.name!r} has no key, so no request to it can succeed: "
                f"set the environment variable {each.key_variable} where Holdfast is started"
            )
