"""`holdfast route explain`: whom would a request go to, and why not to the others?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, cast

from holdfast.cli.output import Output
from holdfast.cli.route.opening import with_dispatcher
from holdfast.cli.settings import settings_of
from holdfast.cli.tables import print_sentence
from holdfast.errors import UsageError
from holdfast.routing.cost import format_msat

if TYPE_CHECKING:
    from holdfast.routing.dispatching.asking import Ask

_MOST_TOKENS = 1_000_000_000


def configure(verb: str, parser: argparse.ArgumentParser) -> None:  # noqa: ARG001 - there is one
    """Add the arguments."""
    parser.add_argument("model", metavar="MODEL", help="MODEL, PROVIDER/MODEL, or auto")
    parser.add_argument("--prompt", default="", help="the text that would be sent")
    parser.add_argument("--input-tokens", type=int, metavar="N", help="how many tokens go in")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="the most that may come out")
    parser.add_argument("--policy", metavar="NAME", help="the policy, instead of one by keyword")
    parser.add_argument(
        "--strategy", choices=("cheapest", "fastest", "balanced", "round_robin"),
        help="how candidates are ordered",
    )  # fmt: skip
    parser.add_argument(
        "--json-answer", action="store_true",
        help="as if JSON were asked for: its answer can be checked, so a cascade may be used",
    )  # fmt: skip
    parser.add_argument(
        "--tier", choices=("local", "standard", "frontier"), help="the highest tier to ask"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show every candidate."""
    from holdfast.routing.dispatching.explaining import explain  # noqa: PLC0415

    settings, ask = settings_of(arguments, output), _ask(arguments)
    told = with_dispatcher(settings, lambda dispatcher: explain(dispatcher, ask))
    output.data(told)
    policy = f", policy {told['policy']}" if told["policy"] else ""
    print_sentence(
        f"{told['model']}: about {told['input_tokens']} tokens in, {told['output_tokens']} out; "
        f"{told['strategy']}{policy}",
        output,
        indent=6,
    )
    if (choice := cast("dict[str, Any] | None", told["choice"])) is not None:
        print_sentence(
            f"  complexity {choice['complexity']:.2f} ({choice['tier']}): {choice['why']}",
            output,
            indent=6,
        )
        for each in choice["considered"]:
            if each["rejected"] and each["model"] != choice["model"]:
                print_sentence(
                    f"    not {each['model']}: {each['rejected']}{_missing(each['floor'])}",
                    output,
                    indent=6,
                )
    for each in cast("list[dict[str, Any]]", told["candidates"]):
        place = f"{each['provider']}/{each['model']}"
        cost = "" if each["status"] == "rejected" else _cost(each.get("expected_msat"))
        print_sentence(
            f"  {each['status']:9} {place:36} {cost:>16}  {_remarks(each)}".rstrip(),
            output,
            indent=6,
        )
    return 0


def _ask(arguments: argparse.Namespace) -> Ask:
    """Return the request that is thought of.

    Raises:
        UsageError: no request has so many tokens.
    """
    from holdfast.routing.dispatching.asking import Ask, size_of  # noqa: PLC0415
    from holdfast.routing.quality.forms import check_schema  # noqa: PLC0415 - as above

    tokens = arguments.input_tokens
    for option, number in (("--input-tokens", tokens), ("--max-tokens", arguments.max_tokens)):
        if number is not None and not 1 <= number <= _MOST_TOKENS:
            raise UsageError(f"{option} must be from 1 to {_MOST_TOKENS}, not {number}")
    return Ask(
        model=arguments.model,
        size=size_of([arguments.prompt]) if tokens is None else tokens * 4,
        opening=(arguments.prompt,),
        last=arguments.prompt,
        max_tokens=arguments.max_tokens,
        policy=arguments.policy,
        strategy=arguments.strategy,
        tier=arguments.tier,
        text=arguments.prompt,
        check=check_schema({"type": "object"}) if arguments.json_answer else None,
    )


def _remarks(candidate: dict[str, Any]) -> str:
    without = candidate.get("left_out", ())
    told = [candidate.get("reason", ""), f"asked without {', '.join(without)}" if without else ""]
    return "; ".join(filter(None, told))


def _missing(floor: dict[str, Any] | None) -> str:
    """Return how much of the evidence is there: ` (n=12 of 73)`."""
    if floor is None or floor["standing"] != "open" or floor["needed"] is None:
        return ""
    return f" (n={floor['pairs']} of {floor['needed']})"


def _cost(msat: float | None) -> str:
    if msat is not None and 0 < msat < 1000:
        return f"{msat:.3g} msat"
    return "unknown" if msat is None else format_msat(round(msat))
