"""Embeddings go through the proxy as they are, and are paid for by the tokens that go in."""

from __future__ import annotations

from holdfast.routing.config import Budgets, RoutingConfig
from holdfast.testing.upstream import Counts, Reply, Upstream
from holdfast.testing.upstream.acts import Act
from tests.proxy.serving import provider, proxy_of

PATH = "/v1/embeddings"
BODY = {"model": "m", "input": ["one", "two"], "dimensions": 3, "of_the_future": {"a": 1}}


async def test_a_request_is_passed_on_whole_and_its_tokens_are_paid_for(tmp_path):
    act = Act(reply=Reply(counts=Counts(input=12, output=0)))
    async with (
        Upstream(default=act) as upstream,
        proxy_of(tmp_path, [provider("a", upstream, 5)]) as proxy,
    ):
        seen = await proxy.ask(PATH, BODY)
        assert seen.status == 200
        assert len(seen.data["data"]) == 2
        assert seen.headers["x-holdfast-cost-msat"] == "60"
        assert upstream.exchanges[0].path == "/v1/embeddings"
        assert upstream.exchanges[0].json == BODY
        (logged,) = await proxy.logged()
        assert (logged.outcome, logged.charged_msat, logged.provider) == ("ok", 60, "a")
        assert not proxy.ledger.lengths.sample("", "m", "chat").source.startswith("model")


async def test_the_next_provider_is_asked_where_one_is_down_or_cannot(tmp_path):
    async with Upstream() as down, Upstream() as foreign, Upstream() as good:
        await down.refuse()
        configs = [
            provider("down", down, 1),
            provider("foreign", foreign, 2, kind="anthropic"),
            provider("good", good, 3),
        ]
        async with proxy_of(tmp_path, configs) as proxy:
            seen = await proxy.ask(PATH, BODY)
            assert (seen.status, seen.headers["x-holdfast-provider"]) == (200, "good")
            assert foreign.exchanges == []


async def test_providers_of_another_kind_refuse_clearly_and_cost_nothing(tmp_path):
    async with (
        Upstream() as foreign,
        proxy_of(tmp_path, [provider("foreign", foreign, 1, kind="anthropic")]) as proxy,
    ):
        seen = await proxy.ask(PATH, BODY)
        assert seen.status == 400
        assert "makes embeddings in OpenAI's form: foreign" in seen.data["error"]["message"]
        assert foreign.exchanges == []
        assert await proxy.logged() == []


async def test_wrong_requests_and_budgets_that_are_spent_are_told_in_the_form_of_openai(tmp_path):
    routing = RoutingConfig(budgets=Budgets(total_msat=10))
    async with (
        Upstream() as upstream,
        proxy_of(tmp_path, [provider("a", upstream, 5)], routing=routing) as proxy,
    ):
        for body in ({"input": "x"}, {"model": "m"}, {"model": "m", "input": []}, ["no object"]):
            seen = await proxy.ask(PATH, body)
            assert (seen.status, seen.says_error) == (400, True)
        assert (await proxy.ask(PATH, BODY)).status == 402
        assert (await proxy.ask(PATH, BODY | {"model": "another"})).status == 404
        assert upstream.exchanges == []
