"""Say what of a configuration cannot work, before anybody asks for a model. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from holdfast.frozen import NamedTuple, frozen, members_of
from holdfast.routing.config import Budgets, ProviderConfig, RoutingConfig
from holdfast.routing.cost import format_msat, most_msat
from holdfast.routing.ledger.amounts import likely_tokens
from holdfast.routing.ledger.lengths import DEFAULT
from holdfast.routing.quality.rules import QualityRules
from holdfast.routing.seam import OFFLINE
from holdfast.routing.selection.choosing import ANY
from holdfast.routing.selection.endpoints import Catalogue, Endpoint
from holdfast.routing.selection.policies import Policy, refusal

_USUAL_INPUT: Final = 100
"""Tokens in of a request that is thought of as usual."""
_LISTED: Final = 5
_QUALITY: Final = "routing.quality"


@frozen
class Finding:
    """Something that will not work: the setting it hangs on, what is wrong, and how to mend it."""

    key: str
    problem: str
    hint: str


class _Project(NamedTuple):
    config: RoutingConfig
    catalogue: Catalogue
    providers: Sequence[str]
    models: Sequence[str]


def inspect(
    config: RoutingConfig,
    providers: Sequence[ProviderConfig],
    catalogue: Catalogue,
    model: str | None = None,
) -> list[Finding]:
    """Return everything that cannot work, in the order of the settings; `model` is the default one."""
    if not providers:
        return []
    project = _Project(
        config,
        catalogue,
        [*(each.name for each in providers), OFFLINE],
        sorted({each.model for each in catalogue.every()}),
    )
    return [
        *_of_model(project, model),
        *_of_keys(providers),
        *(found for each in config.policies for found in _of_policy(project, each)),
        *_of_general_floor(project),
        *_of_judge(project),
        *_of_budgets(project),
    ]


def _of_model(project: _Project, model: str | None) -> Iterator[Finding]:
    if model == ANY and not [e for e in project.catalogue.models() if e.provider != OFFLINE]:
        yield Finding(
            key="model",
            problem="there is no model that 'auto' could choose",
            hint="list models with prices under a provider, or let one say its own: auto_discover",
        )
    elif model not in (None, ANY) and not project.catalogue.named(model):
        yield _unserved(project, "model", model)


def _of_keys(providers: Iterable[ProviderConfig]) -> Iterator[Finding]:
    for each in providers:
        if each.keyless:
            yield Finding(
                key=f"providers.{_quoted(each.name)}.api_key",
                problem=f"provider {each.name!r}: the variable {each.key_variable} is not set",
                hint=f"set {each.key_variable} where Holdfast is started",
            )


def _of_policy(project: _Project, policy: Policy) -> Iterator[Finding]:
    at = f"routing.policies.{_quoted(policy.name)}"
    unknown = [name for name in policy.providers if name not in project.providers]
    for name in unknown:
        yield Finding(
            key=f"{at}.providers",
            problem=f"policy {policy.name!r}: there is no provider {name!r}",
            hint=_meant(name, project.providers) or f"providers: {', '.join(project.providers)}",
        )
    unserved = [model for model in policy.models if not project.catalogue.named(model)]
    for model in unserved:
        yield _unserved(project, f"{at}.models", model, f"policy {policy.name!r}: ")
    is_odd = len(unknown) == len(policy.providers) > 0 or len(unserved) == len(policy.models) > 0
    if not is_odd:
        yield from _of_reach(project, policy, at)
        yield from _of_floor(project, policy, at)
        yield from _of_cascade(project, policy, at)


def _of_reach(project: _Project, policy: Policy, at: str) -> Iterator[Finding]:
    """Say so if a policy leaves nobody to ask."""
    every = list(_reachable(project, policy))
    reasons = [(each, _refusal(policy, each)) for each in every]
    if not every or any(reason is None for _, reason in reasons):
        return
    told = "; ".join(f"{e.provider}/{e.model} {reason}" for e, reason in reasons[:_LISTED])
    more = f"; and {len(reasons) - _LISTED} more" if len(reasons) > _LISTED else ""
    yield Finding(
        key=at,
        problem=f"policy {policy.name!r} leaves nobody to ask: {told}{more}",
        hint="allow more in the policy, or add a provider that it allows",
    )


def _refusal(policy: Policy, endpoint: Endpoint) -> str | None:
    """Return why a policy never lets an endpoint be asked, not even for a word."""
    refused = refusal(policy, endpoint, None)
    cap = policy.most_request_msat
    if refused is not None or cap is None or endpoint.price is None:
        return refused
    least = most_msat(endpoint.price, 1, 1)
    return f"costs {format_msat(least)} for a single token" if least > cap else None


def _reachable(project: _Project, policy: Policy) -> Iterable[Endpoint]:
    if policy.models:
        return [each for model in policy.models for each in project.catalogue.named(model)]
    return [*project.catalogue.models(), *project.catalogue.anything()]


def _of_floor(project: _Project, policy: Policy, at: str) -> Iterator[Finding]:
    if policy.reference is not None:
        yield from _of_reference(project, policy.reference, policy, f"{at}.reference")
    if policy.min_quality is not None:
        yield from _of_choice(project, policy, f"{at}.min_quality")


def _of_general_floor(project: _Project) -> Iterator[Finding]:
    """Look at the floor and the reference for requests whose policy says nothing of them."""
    rules = project.config.quality or QualityRules()
    if rules.reference is not None:
        yield from _of_reference(project, rules.reference, Policy(), f"{_QUALITY}.reference")
        for policy in project.config.policies:
            least = rules.min_quality if policy.min_quality is None else policy.min_quality
            if policy.reference is None and least is not None:
                key = f"routing.policies.{_quoted(policy.name)}"
                yield from _of_allowed(project, rules.reference, policy, key)
    if rules.min_quality is not None:
        yield from _of_choice(project, Policy(), f"{_QUALITY}.min_quality")


def _of_reference(project: _Project, reference: str, policy: Policy, key: str) -> Iterator[Finding]:
    if reference in {each.model for each in project.catalogue.models()}:
        yield from _of_allowed(project, reference, policy, key)
    else:
        yield Finding(
            key=key,
            problem=f"the reference {reference!r} is none of the models that are listed",
            hint=_meant(reference, project.models)
            or f"name one of {', '.join(project.models) or 'the models of a provider'}",
        )


def _of_allowed(project: _Project, model: str, policy: Policy, key: str) -> Iterator[Finding]:
    """Say so if a policy forbids every endpoint of a model that it needs."""
    reasons = [_refusal(policy, e) for e in project.catalogue.models() if e.model == model]
    if reasons and None not in reasons:
        yield Finding(
            key=key,
            problem=f"policy {policy.name!r} does not allow {model!r}, which it needs: {reasons[0]}",
            hint="allow it in the policy, or name another model",
        )


def _of_choice(project: _Project, policy: Policy, key: str) -> Iterator[Finding]:
    """Say so if a floor has nothing to choose from."""
    every = [e for e in project.catalogue.models() if _refusal(policy, e) is None]
    models = {each.model for each in every}
    priced = {each.model for each in every if each.price is not None}
    if len(models) > 1 and priced:
        return
    problem = "no model is left to choose from"
    if len(models) == 1:
        problem = f"{min(models)!r} is the only model that may be asked: there is none to compare"
    elif models:
        problem = "no model has a price, so none can be cheaper than the reference"
    yield Finding(
        key=key,
        problem=f"a floor without a choice: {problem}",
        hint="list models of several prices under the providers, or leave min_quality out",
    )


def _of_cascade(project: _Project, policy: Policy, at: str) -> Iterator[Finding]:
    models = policy.cascade if isinstance(policy.cascade, tuple) else ()
    for model in models:
        if model not in {each.model for each in project.catalogue.models()}:
            yield _unserved(project, f"{at}.cascade", model, f"policy {policy.name!r}: ")
        else:
            yield from _of_allowed(project, model, policy, f"{at}.cascade")


def _of_judge(project: _Project) -> Iterator[Finding]:
    rules = project.config.quality
    model = None if rules is None else rules.judge_model
    if model is not None and not project.catalogue.named(model):
        yield _unserved(project, f"{_QUALITY}.judge_model", model)


def _of_budgets(project: _Project) -> Iterator[Finding]:
    """Look at each budget: one of nothing, or of less than a request, lets nobody in."""
    tokens = likely_tokens(None, DEFAULT)
    prices = [each.price for each in project.catalogue.models() if each.price is not None]
    least = min((most_msat(each, _USUAL_INPUT, tokens) for each in prices), default=0)
    for key, limit in _limits(project.config):
        if limit == 0:
            yield Finding(
                key=key,
                problem="allows nothing: every request that may cost something is refused",
                hint="leave it out for no limit",
            )
        elif limit < least:
            yield Finding(
                key=key,
                problem=f"{format_msat(limit)} are less than the {format_msat(least)} that are held "
                f"for a request without max_tokens to the cheapest model ({tokens} tokens out)",
                hint="raise it, or give each request a max_tokens",
            )


def _limits(config: RoutingConfig) -> Iterator[tuple[str, int]]:
    for member in members_of(Budgets):
        limit: int | None = getattr(config.budgets, member.name)
        if limit is not None:
            yield f"routing.budgets.{member.name.removesuffix('_msat')}", limit
    if config.quality is not None and config.quality.check_day_msat is not None:
        yield f"{_QUALITY}.check_day", config.quality.check_day_msat


def _unserved(project: _Project, key: str, model: str, whose: str = "") -> Finding:
    return Finding(
        key=key,
        problem=f"{whose}no provider has the model {model!r}",
        hint=_meant(model, project.models) or "add it to the models of a provider",
    )


def _meant(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _quoted(name: str) -> str:
    plain = name.replace("-", "").replace("_", "")
    return name if plain.isalnum() and plain.isascii() else f'"{name}"'
