"""`holdfast route feedback` and `quality`: say how an answer was, and see what is known of models."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, cast

from holdfast.cli.output import Output
from holdfast.cli.route.opening import WHO_LEARNS, look_into_evidence, with_evidence
from holdfast.cli.settings import settings_of
from holdfast.cli.tables import print_sentence
from holdfast.errors import UsageError

if TYPE_CHECKING:
    from holdfast.routing.checking.kept import KeptEvidence
    from holdfast.routing.dialects.seam import Document
    from holdfast.settings import Settings

_WORDS = {"good": True, "bad": False}


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    if verb == "feedback":
        parser.add_argument(
            "request", metavar="REQUEST", help="its id, or the first 8 of its digits"
        )
        parser.add_argument("verdict", choices=tuple(_WORDS), help="how the answer was")
        parser.set_defaults(verb_action=_feedback)
    else:
        parser.add_argument(
            "--forget", metavar="MODEL", help="drop what is known of a model: it is another one now"
        )
        parser.set_defaults(verb_action=_quality)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Take in a verdict, or show what is known."""
    code: int = arguments.verb_action(arguments, output)
    return code


def _feedback(arguments: argparse.Namespace, output: Output) -> int:
    settings, request = settings_of(arguments, output), arguments.request.lower()
    good = _WORDS[arguments.verdict]
    told = with_evidence(settings, lambda kept: _hear(kept, request, good=good))
    output.data(told)
    corrected = "; a comparison was corrected" if told["corrected"] else ""
    print_sentence(
        f"noted: {told['model']} answered {arguments.verdict}{corrected}", output, indent=6
    )
    return 0


async def _hear(kept: KeptEvidence, request: str, *, good: bool) -> Document:
    """Take in a user's word.

    Raises:
        UsageError: this is no id, or of no request that is known.
    """
    if not re.fullmatch(r"[0-9a-f]{8,32}", request):
        raise UsageError(
            f"{request!r} is no id of a request",
            hint="`holdfast route requests` lists them; 8 digits are enough",
        )
    found = await kept.find(request)
    heard = await kept.hear(found[0], good=good) if len(found) == 1 else None
    if heard is None:
        many = "is not known here" if not found else "stands for several requests"
        raise UsageError(
            f"the request {request!r} {many}",
            hint="only the newest that left the choice of the model ('auto') to a policy with "
            "min_quality, a cascade or [routing.quality] can be judged",
        )
    return {
        "request_id": found[0],
        "model": heard.model,
        "good": good,
        "corrected": heard.corrected,
    }


def _quality(arguments: argparse.Namespace, output: Output) -> int:
    settings, model = settings_of(arguments, output), arguments.forget
    if model is not None:
        count = with_evidence(settings, lambda kept: kept.forget(model))
        output.data({"model": model, "forgotten": count})
        print_sentence(f"{count} comparisons with {model} are forgotten", output, indent=6)
        return 0
    found = look_into_evidence(settings, lambda kept: _known(settings, kept))
    told = found or []
    output.data({"comparisons": told})
    for each in cast("list[dict[str, Any]]", told):
        print_sentence(
            f"{each['candidate']} for {each['reference']} ({each['segment']})", output, indent=6
        )
        print_sentence(
            f"  {each['standing']}: {each['reason']}; both good {each['both_good']}, only it "
            f"{each['candidate_only']}, only the reference {each['reference_only']}, "
            f"neither {each['neither']}",
            output,
            indent=6,
        )
    if not told:
        print_sentence(
            "nothing was compared yet" + ("" if found is not None else f": {WHO_LEARNS}"),
            output,
            indent=6,
        )
    return 0


async def _known(settings: Settings, kept: KeptEvidence) -> list[Document]:
    from holdfast.routing.checking.reporting import contests_data, floors_of  # noqa: PLC0415
    from holdfast.routing.config import RoutingConfig  # noqa: PLC0415 - only this verb

    return contests_data(kept.learned, floors_of(settings.routing or RoutingConfig()))
