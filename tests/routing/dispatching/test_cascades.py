"""Cascades and repeated questions of workflows and programs, through the router."""

from __future__ import annotations

import json

import pytest

from holdfast.errors import ModelOutputError, ProviderRefused
from holdfast.routing.config import RoutingConfig
from holdfast.routing.quality.checks import plain_check
from holdfast.routing.router import Router
from holdfast.routing.seam import OutputContract, Price, Traits
from holdfast.routing.selection.policies import Policy
from holdfast.testing.providers import ScriptedProvider
from tests.routing.kit import Spans, ask


def number(text: str) -> object:
    value = json.loads(text)
    if not isinstance(value, int):
        raise ModelOutputError("The reply is no whole number.")
    return value


NUMBER = OutputContract(name="number", schema={"type": "integer"}, parse=number)
PRICE = Price(input_msat_per_million=1_000_000, output_msat_per_million=1_000_000)
CASCADE = Policy(name="json", cascade=("tiny", "huge"), keywords=("bones",))


def provider(model: str, tier: str, *answers: str | Exception) -> ScriptedProvider:
    left = list(answers)

    def answer(_: object) -> str:
        said = left.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    return ScriptedProvider(
        answer, name=model, models=(model,), price=PRICE, traits=Traits(tier=tier)
    )


def router(tiny: ScriptedProvider, huge: ScriptedProvider, policy: Policy = CASCADE) -> Router:
    config = RoutingConfig(policies=(policy,))
    return Router([tiny, huge], Spans().tracer, config=config)


def question(**members: object):
    return ask("How many bones has a hand?", model="auto", output=NUMBER, **members)


async def test_a_structured_answer_of_the_cheap_model_is_taken_if_it_fits():
    reply = await router(provider("tiny", "local", "27"), provider("huge", "frontier")).complete(
        question()
    )
    assert (reply.model, reply.value, reply.calls) == ("tiny", 27, 1)


async def test_one_that_does_not_fit_is_asked_of_the_next_and_both_are_paid():
    tiny, huge = provider("tiny", "local", '"many"'), provider("huge", "frontier", "27")
    reply = await router(tiny, huge).complete(question())
    assert (reply.model, reply.value, reply.calls) == ("huge", 27, 2)
    alone = await router(
        provider("tiny", "local"), provider("huge", "frontier", "27"), Policy(name="none")
    ).complete(ask("How many bones has a hand?", model="huge", output=NUMBER))
    assert reply.cost_msat is not None
    assert alone.cost_msat is not None
    assert reply.cost_msat > alone.cost_msat


async def test_the_last_of_a_cascade_is_asked_again_and_not_the_first():
    tiny = provider("tiny", "local", '"many"')
    huge = provider("huge", "frontier", '"some"', "27")
    reply = await router(tiny, huge).complete(question())
    assert (reply.model, reply.value, reply.calls) == ("huge", 27, 3)


async def test_what_a_cascade_cost_is_told_with_its_failure():
    tiny = provider("tiny", "local", '"many"')
    huge = provider("huge", "frontier", ProviderRefused("no"))
    with pytest.raises(ProviderRefused) as caught:
        await router(tiny, huge).complete(question())
    spent = caught.value.spent
    assert getattr(spent, "model", None) == "tiny"


async def test_a_policy_that_words_called_for_holds_for_questions_that_are_asked_again():
    private = Policy(name="private", providers=("tiny",), privacy="named", keywords=("bones",))
    tiny = provider("tiny", "local", '"many"', ProviderRefused("not now", fault="forbidden"))
    huge = provider("huge", "frontier", "27")
    with pytest.raises(ProviderRefused):
        await router(tiny, huge, private).complete(question())
    assert huge.requests == []


async def test_what_would_fail_anywhere_is_asked_of_nobody_else():
    tiny = provider("tiny", "local", ProviderRefused("too long", fault="caller"))
    huge = provider("huge", "frontier", "27")
    with pytest.raises(ProviderRefused, match="too long"):
        await router(tiny, huge).complete(question())
    assert huge.requests == []


@pytest.mark.parametrize("answer", ["28", '"many"'])
async def test_a_check_of_the_project_counts_besides_the_form_that_was_asked_for(answer: str):
    leading = router(provider("tiny", "local", answer), provider("huge", "frontier", "27"))
    leading.dispatcher.checks = {"json": plain_check(lambda _, said: said != "28", "bones")}
    reply = await leading.complete(question())
    assert (reply.model, reply.calls) == ("huge", 2)
