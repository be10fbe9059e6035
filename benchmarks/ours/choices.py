"""What it takes to choose among 10,000 endpoints, by the name of a model and for any model."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from timeit import timeit

from holdfast.routing.breakers.board import Board
from holdfast.routing.breakers.rules import Rules
from holdfast.routing.seam import Price, Traits
from holdfast.routing.selection.choosing import Chooser, Wanted
from holdfast.routing.selection.endpoints import Catalogue, Offer
from holdfast.routing.selection.expected import Tokens
from holdfast.routing.selection.speed import Speeds

_PROVIDERS, _MODELS, _EACH = 500, 1250, 20


def measure(rounds: int) -> Mapping[str, float]:
    """Return the microseconds of a choice, the best round of each."""
    board = Board(Rules(), now_ms=lambda: time.time_ns() // 1_000_000, jitter=lambda: 0.5)
    chooser = Chooser(Catalogue(_offers()), board, Speeds())
    tokens = Tokens(1000, 300)
    named = [Wanted(model=f"m{number}", tokens=tokens) for number in range(_MODELS)]
    anything = Wanted(model="auto", tokens=tokens)
    for each in (*named, anything):
        chooser.plan(each)
    return {
        "choose_us": min(
            timeit(lambda: [chooser.plan(each) for each in named], number=1) / _MODELS * 1e6
            for _ in range(rounds)
        ),
        "choose_any_us": min(
            timeit(lambda: chooser.plan(anything), number=100) / 100 * 1e6 for _ in range(rounds)
        ),
    }


def _offers() -> Sequence[Offer]:
    chance = random.Random(1)

    def price() -> Price:
        return Price(
            input_msat_per_million=chance.randrange(1, 10**6),
            output_msat_per_million=chance.randrange(1, 4 * 10**6),
            request_msat=chance.choice([0, 0, 0, 5, 10]),
        )

    return [
        Offer(
            f"p{number}",
            Traits(),
            [(f"m{chance.randrange(_MODELS)}", price()) for _ in range(_EACH)],
        )
        for number in range(_PROVIDERS)
    ]


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1])["rounds"])))
