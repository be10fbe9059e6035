"""A proxy before a cheap model, `tiny`, and a dear one, `huge`, whose answers are checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.routing.checking.checker import Counts
from holdfast.routing.config import Budgets, ProviderConfig, RoutingConfig
from holdfast.routing.quality.judging import Judge, judge_by_agreement
from holdfast.routing.quality.rules import QualityRules
from holdfast.routing.seam import Price
from holdfast.routing.selection.policies import Policy
from holdfast.testing.upstream import Act, Reply, Upstream
from tests.proxy.serving import Proxy, Seen, proxy_of, request

CHAT = "/v1/chat/completions"
EASY = "What is the capital of France, please tell me."
GOOD = Policy(name="good", min_quality=0.8)
EVERY = QualityRules(
    check_share=1.0, prove_share=1.0, recheck_share=0.0, alpha=0.2, chooser="complexity"
)
FEW = 30
"""More pairs of good answers than it takes to show 0.8 of the reference with `EVERY`."""


def says(text: str) -> Act:
    return Act(reply=Reply(text=text))


@dataclass
class Tiers:
    """The proxy, its client's view, and the two providers behind it."""

    proxy: Proxy
    tiny: Upstream
    huge: Upstream

    async def ask(self, text: str = EASY, *, policy: str = "good", **fields: Any) -> Seen:
        """Ask for `auto`, and wait until what goes on behind the client's back is done."""
        seen = await self.send(text, policy=policy, **fields)
        assert self.proxy.checker is not None
        await self.proxy.checker.quiet()
        return seen

    async def send(self, text: str = EASY, *, policy: str = "good", **fields: Any) -> Seen:
        messages = [{"role": "user", "content": text}]
        stream = fields.pop("stream", False)
        headers = {"x-holdfast-policy": policy} if policy else {}
        if owner := fields.pop("owner", ""):
            headers["x-holdfast-owner"] = owner
        body = request(CHAT, stream=stream, model="auto", messages=messages, **fields)
        return await self.proxy.ask(CHAT, body, **headers)

    async def until_served_by(self, model: str, most: int = FEW) -> int:
        """Ask until a model serves; return how many requests that took."""
        for count in range(1, most + 1):
            if (await self.ask())["model"] == model:
                return count
        raise AssertionError(f"{model} never served: {self.counts}")

    @property
    def counts(self) -> Counts:
        assert self.proxy.checker is not None
        return self.proxy.checker.counts


@asynccontextmanager
async def tiers(
    folder: Path,
    *policies: Policy,
    rules: QualityRules = EVERY,
    budgets: Budgets | None = None,
    judge: Judge = judge_by_agreement,
) -> AsyncIterator[Tiers]:
    routing = RoutingConfig(
        policies=policies or (GOOD,), quality=rules, budgets=budgets or Budgets()
    )
    async with Upstream(default=says("Paris")) as tiny, Upstream(default=says("Paris")) as huge:
        configs = [provider("desk", tiny, 1, "tiny"), provider("cloud", huge, 100, "huge")]
        made = proxy_of(folder, configs, routing=routing, judge=lambda *_: judge)
        async with made as proxy:
            yield Tiers(proxy, tiny, huge)


def provider(name: str, upstream: Upstream, msat: int, model: str) -> ProviderConfig:
    """Return a provider of one model; `huge` is of a higher tier than others."""
    price = Price(input_msat_per_million=msat * 10**6, output_msat_per_million=msat * 10**6)
    return ProviderConfig(
        name=name,
        base_url=upstream.url,
        api_key="k",
        models={model: price},
        tier="frontier" if model == "huge" else "local",
    )
