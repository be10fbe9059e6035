"""How the endpoints are: what `/health`, `/providers` and `holdfast route providers` show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdfast.routing.breakers.board import Board, Place, host_of
from holdfast.routing.breakers.rules import Circuit
from holdfast.routing.dialects.seam import Document
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.providers.habits import learned_by, unsent
from holdfast.routing.seam import Price, Provider


def health_of(dispatcher: Dispatcher) -> Document:
    """Return `ok`, `degraded` if somebody may not be asked, `unhealthy` if nobody may."""
    told = {each.name: _health(dispatcher, each) for each in dispatcher.providers.values()}
    said = {each["state"] for each in told.values()}
    status = "ok" if said <= {"closed"} else "degraded"
    if said and said <= {"open", "distrusted"}:
        status = "unhealthy"
    return {"status": status, "providers": told}


def _health(dispatcher: Dispatcher, provider: Provider) -> Document:
    traits = provider.traits
    failures = dispatcher.board.circuit(Place(provider.name, traits.key)).failures
    return {"state": _state(dispatcher, provider), "failures": failures, "tier": traits.tier}


def providers_of(dispatcher: Dispatcher) -> list[Document]:
    """Return each provider with its models, prices and circuits. No key is in it."""
    return [_provider(dispatcher, each) for each in dispatcher.providers.values()]


def models_of(dispatcher: Dispatcher) -> Document:
    """Return all models in the form of OpenAI's list."""
    owners: dict[str, list[str]] = {}
    for each in dispatcher.chooser.catalogue.every():
        owners.setdefault(each.model, []).append(each.provider)
    models = [_model(name, by) for name, by in sorted(owners.items())]
    return {"object": "list", "data": models}


def model_of(dispatcher: Dispatcher, name: str) -> Document:
    """Return a model, by any name that it can be asked for, in the form of that list.

    Raises:
        NoProvider: nobody serves it.
    """
    found = dispatcher.chooser.catalogue.named(name)
    if not found:
        raise dispatcher.unserved(name)
    return _model(name, [each.provider for each in found])


def _model(name: str, providers: Iterable[str]) -> Document:
    by = ", ".join(sorted(set(providers)))
    return {"id": name, "object": "model", "created": 0, "owned_by": by}


def _provider(dispatcher: Dispatcher, provider: Provider) -> Document:
    board, traits = dispatcher.board, provider.traits
    host, now_ms = Place(provider.name, traits.key), dispatcher.clock.now_ms()
    models = [
        {
            "model": model,
            "price": _price(provider.price(model)),
            "circuit": circuit_data(board.circuit(host._replace(model=model)), dispatcher),
        }
        for model in provider.models()
    ]
    return {
        "name": provider.name,
        "tier": traits.tier,
        "local": traits.local,
        "state": _state(dispatcher, provider),
        "distrusted": dispatcher.distrusted.get(provider.name),
        "circuit": circuit_data(board.circuit(host), dispatcher),
        "any_model": not models,
        "models": models,
        "learned": [
            {
                "model": model,
                "without": unsent(habits),
                "tried_again_in_ms": habits.until_ms - now_ms,
            }
            for model, habits in learned_by(provider).items()
        ],
    }


def circuit_data(circuit: Circuit, dispatcher: Dispatcher) -> Document:
    """Return a circuit for people and programs; times in milliseconds from now."""
    now_ms = dispatcher.clock.now_ms()
    told: Document = {"state": circuit.state, "failures": circuit.failures}
    if circuit.forced is not None:
        told["forced"] = circuit.forced
    if circuit.state == "open":
        told |= {"reason": str(circuit.reason), "reopens_in_ms": max(0, circuit.until_ms - now_ms)}
    if circuit.paused_until_ms > now_ms:
        told["paused_for_ms"] = circuit.paused_until_ms - now_ms
    return told


def _state(dispatcher: Dispatcher, provider: Provider) -> str:
    """Return the state of a provider: that of its key, or of its models where they agree."""
    if provider.name in dispatcher.distrusted:
        return "distrusted"
    host = Place(provider.name, provider.traits.key)
    places = [host._replace(model=model) for model in provider.models()] or _seen(
        dispatcher.board, host
    )
    whole = _circuit_state(dispatcher.board.circuit(host))
    states = {_circuit_state(dispatcher.board.circuit(each)) for each in places} or {"closed"}
    if whole == "open" or states == {"open"}:
        return "open"
    return "closed" if {whole, *states} == {"closed"} else "half_open"


def _seen(board: Board, host: Place) -> list[Place]:
    return [each for each in board.circuits() if each.model and host_of(each) == host]


def _circuit_state(circuit: Circuit) -> str:
    return circuit.forced or circuit.state


def _price(price: Price | None) -> Mapping[str, object] | None:
    if price is None:
        return None
    return {
        "input_sats_per_million": price.input_msat_per_million / 1000,
        "output_sats_per_million": price.output_msat_per_million / 1000,
        "request_sats": price.request_msat / 1000,
    }
