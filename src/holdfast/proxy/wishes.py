"""What clients ask for in headers, and what is told of a chat body to the router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import orjson

from holdfast.errors import Untranslatable
from holdfast.frozen import maker
from holdfast.routing.config import fingerprint
from holdfast.routing.dialects.seam import Object
from holdfast.routing.dispatching.asking import Ask, Complexity
from holdfast.routing.quality.forms import form_check
from holdfast.routing.seam import TIERS, Account, Tier
from holdfast.routing.selection.choosing import ANY
from holdfast.routing.selection.policies import STRATEGIES, Strategy
from holdfast.web.guard import token_of
from holdfast.web.http import Refused, Request

_PREFIXES: Final = ("x-holdfast-", "x-arbstr-")
_ask = maker(Ask)
_Wishes = Mapping[str, str]
_TIER_OF: Final[Mapping[Complexity, Tier]] = {
    "low": "local",
    "medium": "standard",
    "high": "frontier",
}


async def read_object(request: Request) -> Object:
    """Return the JSON object in the body of a request.

    Raises:
        Refused: 400 if there is none, 413 if it is too long.
    """
    body = await request.body()
    try:
        read = cast("object", orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise Refused(400, "the body must be a JSON object")
    return cast("Object", read)


def key_of(request: Request) -> str:
    """Return the fingerprint of the token that a request is made with."""
    return fingerprint(token_of(request))


def ask_of(request: Request, body: Object) -> Ask:
    """Return what is known of a chat request.

    Raises:
        Refused: 400 if a header holds a word that is none of those that it may, or a count is none.
        Untranslatable: `stream` is neither true nor false.
    """
    model, tools = cast("str", body["model"]), body.get("tools")
    messages = cast("Sequence[Object]", body.get("messages") or ())
    users = [each for each in messages[-8:] if each.get("role") == "user"]
    wishes = _wishes_of(request)
    return _ask(
        model=model,
        size=len(orjson.dumps(messages)) + (len(orjson.dumps(tools)) if tools else 0),
        opening=tuple([_text(each) for each in messages[:2]]),
        last=_text(users[-1]) if users else "",
        max_tokens=_count(body, limit_name(body)),
        answers=_count(body, "n") or 1,
        account=_account_of(request, wishes),
        policy=wishes.get("policy"),
        strategy=_strategy(wishes),
        tier=_tier(wishes),
        stream=_wants_stream(body),
        request_class="tools" if tools else "chat",
        text="\n".join([_text(each) for each in messages]) if model == ANY else "",
        messages=len(messages),
        complexity=_complexity(wishes),
        check=form_check(body) if model == ANY else None,
    )


def limit_name(body: Object) -> str:
    """Return under which of its names a chat body limits the tokens out; null is as good as absent."""
    newer = "max_completion_tokens"
    return "max_tokens" if body.get(newer) is None else newer


def _wants_stream(body: Object) -> bool:
    value = body.get("stream")
    if value is not None and not isinstance(value, bool):
        raise Untranslatable("stream", f"must be true or false, not {orjson.dumps(value).decode()}")
    return bool(value)


def _count(body: Object, name: str) -> int | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise Refused(400, f"{name} must be a whole number, at least 1")
    return value


def embedding_ask_of(request: Request, body: Object) -> Ask:
    """Return what is known of a request for embeddings.

    Raises:
        Refused: 400 if it names no model or nothing to embed, or a header holds a wrong word.
    """
    model, given = body.get("model"), body.get("input")
    if not isinstance(model, str) or not model:
        raise Refused(400, "model must be the name of a model")
    if not isinstance(given, str | list) or not given:
        raise Refused(400, "input must be a text, or a list of texts or of tokens")
    sent, wishes = orjson.dumps(given), _wishes_of(request)
    return Ask(
        model=model,
        size=len(sent),
        opening=("embeddings", sent.decode()),
        max_tokens=0,
        account=_account_of(request, wishes),
        policy=wishes.get("policy"),
        strategy=_strategy(wishes),
        tier=_tier(wishes),
        request_class="embeddings",
    )


def _wishes_of(request: Request) -> _Wishes:
    """Return what headers wish, by their names without the prefix; of two for one wish ours counts."""
    wishes: dict[str, str] = {}
    for name, value in request.headers.items():
        if value and name.startswith(_PREFIXES):
            _, whose, wish = name.split("-", 2)
            if whose == "holdfast" or wish not in wishes:
                wishes[wish] = value
    return wishes


def _account_of(request: Request, wishes: _Wishes) -> Account:
    """Return who asks: the owner that a header names, and the fingerprint of the token."""
    return Account(
        owner=wishes.get("owner", ""), run_id=wishes.get("run", ""), key_id=key_of(request)
    )


def _strategy(wishes: _Wishes) -> Strategy | None:
    said = wishes.get("strategy")
    if said is not None and said not in STRATEGIES:
        raise Refused(400, f"x-holdfast-strategy must be one of {', '.join(STRATEGIES)}")
    return said


def _tier(wishes: _Wishes) -> Tier | None:
    said = wishes.get("tier")
    if said is not None and said not in TIERS:
        raise Refused(400, f"x-holdfast-tier must be one of {', '.join(TIERS)}")
    if said is not None:
        return said
    word = _complexity(wishes)
    return None if word is None else _TIER_OF[word]


def _complexity(wishes: _Wishes) -> Complexity | None:
    """Return the caller's own word on how hard a request is; any other word is ignored."""
    said = wishes.get("complexity", "").lower()
    return said if said in ("low", "medium", "high") else None


def _text(message: Object) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else orjson.dumps(content).decode()
