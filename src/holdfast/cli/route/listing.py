"""`holdfast route providers`: who may be asked, for how much, and who is left alone for now."""

from __future__ import annotations

import argparse
from typing import Any, cast

from holdfast.cli.output import Output, seconds
from holdfast.cli.route.opening import with_dispatcher
from holdfast.cli.settings import settings_of
from holdfast.cli.tables import print_sentence


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """There is nothing to say but the verb."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show providers."""
    from holdfast.routing.dispatching.health import providers_of  # noqa: PLC0415

    told = with_dispatcher(settings_of(arguments, output), providers_of)
    providers = cast("list[dict[str, Any]]", told)
    output.data({"providers": providers})
    for each in providers:
        where = "this machine" if each["local"] else "elsewhere"
        print_sentence(
            f"{each['name']}: circuit {each['state']}, {each['tier']}, {where}", output, indent=6
        )
        if each["distrusted"]:
            print_sentence(f"  gets no requests: {each['distrusted']}", output, indent=6)
        if each["any_model"]:
            print_sentence("  any model, prices unknown", output, indent=6)
        for model in each["models"]:
            print_sentence(
                f"  {model['model']:36} {_price(model['price'])}{_state(model['circuit'])}",
                output,
                indent=6,
            )
        for learned in each["learned"]:
            left = seconds(learned["tried_again_in_ms"])
            print_sentence(
                f"  {learned['model']} is asked without {', '.join(learned['without'])}, {left} more",
                output,
                indent=6,
            )
    return 0


def _price(price: dict[str, float] | None) -> str:
    if price is None:
        return "price unknown"
    told = (
        f"{price['input_sats_per_million']:g} sat in, "
        f"{price['output_sats_per_million']:g} sat out a million"
    )
    return f"{told}, {price['request_sats']:g} sat a request" if price["request_sats"] else told


def _state(circuit: dict[str, Any]) -> str:
    if circuit["state"] == "closed" and "paused_for_ms" not in circuit:
        return ""
    return f"  [{circuit['state']}: {circuit.get('reason', 'paused')}]"
