"""`offline/extract`: answer with parts of the text in the prompt, without any language model.

It needs no key, no network and no download, so a workflow can be tried at once; and it never
makes anything up, because every word of an answer stands in the last message of the user.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

from holdfast.errors import ProviderRefused
from holdfast.routing import extraction, plain_text
from holdfast.routing.seam import (
    OFFLINE,
    OFFLINE_EXTRACT,
    ModelReply,
    ModelRequest,
    OnText,
    Price,
    Traits,
    Usage,
)

_LONG = 20_000  # characters; a longer text is worked on in a thread
_CHARS_PER_TOKEN = 4
_ITEMS = 5
_NAME_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_TITLES = frozenset({"title", "topic", "subject", "headline"})
_SENTENCE_LISTS = re.compile(r"sentence|point|summar|highlight", re.IGNORECASE)
_UNDECIDABLE = ("enum", "const", "pattern", "format")
Schema = Mapping[str, object]


class ExtractProvider:
    """Serve the one built-in model."""

    @property
    def name(self) -> str:
        return OFFLINE

    @property
    def traits(self) -> Traits:
        return Traits(tier="local", local=True)

    def models(self) -> tuple[str, ...]:
        return (OFFLINE_EXTRACT.removeprefix(f"{OFFLINE}/"),)

    def serves(self, model: str) -> bool:
        return model in (OFFLINE_EXTRACT, OFFLINE_EXTRACT.removeprefix(f"{OFFLINE}/"))

    def price(self, model: str) -> Price | None:  # noqa: ARG002 - it is free
        return Price(input_msat_per_million=0, output_msat_per_million=0)

    async def complete(self, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        users = [each.content for each in request.messages if each.role == "user"]
        source = users[-1] if users else ""
        if len(source) > _LONG:
            pieces = await asyncio.to_thread(answer, request, source)
        else:
            pieces = answer(request, source)
        if on_text is not None:
            for piece in pieces:
                on_text(piece)
        text = "".join(pieces)
        return ModelReply(
            text=text,
            value=text,
            provider=OFFLINE,
            model=request.model.removeprefix(f"{OFFLINE}/"),
            usage=Usage(),  # no tokens were counted, yet the cost is known: it ran here for free
            cost_msat=0,
            extractive=True,
        )

    async def close(self) -> None:
        """Nothing is held."""


def answer(request: ModelRequest, source: str) -> list[str]:
    """Return the answer in pieces: sentences, or one JSON document for an output contract.

    Raises:
        ProviderRefused: the contract asks for more than an extractor can know.
    """
    filler = _Filler(plain_text.sentences(plain_text.clean(source)), request)
    if request.output is None:
        found = filler.prose(max_chars=None)
        return [each if last else each + " " for each, last in _with_last(found)]
    value = filler.fill(request.output.schema, name="", path="", seen=())
    return [json.dumps(value, ensure_ascii=False)]


class _Filler:
    """Fill a JSON Schema with parts of one text."""

    def __init__(self, sentences: Sequence[str], request: ModelRequest) -> None:
        self._sentences = sentences
        self._limit = request.max_tokens * _CHARS_PER_TOKEN if request.max_tokens else None
        self._root: Schema = request.output.schema if request.output else {}

    def prose(self, *, max_chars: int | None) -> list[str]:
        limits = [limit for limit in (max_chars, self._limit) if limit is not None]
        return extraction.central_sentences(
            self._sentences,
            max_words=extraction.WORDS if self._limit is None else None,
            max_chars=min(limits, default=None),
        )

    def fill(self, schema: Schema, *, name: str, path: str, seen: tuple[str, ...]) -> object:
        """Return a value for `schema`; `name` is that of the field, `seen` the references."""
        if isinstance(reference := schema.get("$ref"), str) and reference not in seen:
            target = self._resolve(reference)
            return self.fill(target, name=name, path=path, seen=(*seen, reference))
        plain = not any(key in schema for key in _UNDECIDABLE)
        match schema.get("type"):
            case "string" if plain:
                return self._string(schema, name)
            case "array" if plain and self._holds_text(schema):
                return self._strings(schema, name)
            case "object" if isinstance(schema.get("properties"), Mapping):
                fields = cast("Mapping[str, Schema]", schema["properties"])
                return {
                    each: self.fill(part, name=each, path=f"{path}.{each}".strip("."), seen=seen)
                    for each, part in fields.items()
                }
            case _:
                if optional := _without_null(schema):
                    return self.fill(optional, name=name, path=path, seen=seen)
                raise _refusal(schema, path)

    def _resolve(self, reference: str) -> Schema:
        node: object = self._root
        for part in reference.removeprefix("#/").split("/"):
            node = _schema(node).get(part)
        return _schema(node)

    def _string(self, schema: Schema, name: str) -> str:
        longest = _bound(schema, "maxLength", None)
        if _TITLES.intersection(part.lower() for part in _NAME_PART.findall(name)):
            text = next(iter(extraction.key_phrases(self._sentences, 1)), "")
        else:
            text = " ".join(self.prose(max_chars=longest))
        return plain_text.cut(text, longest) if longest is not None else text

    def _strings(self, schema: Schema, name: str) -> list[str]:
        limit = _bound(schema, "maxItems", _ITEMS)
        if _SENTENCE_LISTS.search(name):
            return self.prose(max_chars=None)[:limit]
        return extraction.key_phrases(self._sentences, limit or 0)

    def _holds_text(self, schema: Schema) -> bool:
        item = _schema(schema.get("items"))
        return item.get("type") == "string" and not any(key in item for key in _UNDECIDABLE)


def _schema(value: object) -> Schema:
    return cast("Schema", value if isinstance(value, Mapping) else {})


def _bound(schema: Schema, key: str, otherwise: int | None) -> int | None:
    value = schema.get(key)
    return value if isinstance(value, int) else otherwise


def _without_null(schema: Schema) -> Schema | None:
    """Return the one branch of `anyOf` (or of a list of types) that is not null."""
    branches = schema.get("anyOf")
    if isinstance(branches, list):
        others = [each for each in cast("list[Schema]", branches) if each.get("type") != "null"]
        return others[0] if len(others) == 1 else None
    types = schema.get("type")
    if isinstance(types, list):
        names = [each for each in cast("list[str]", types) if each != "null"]
        return {**schema, "type": names[0]} if len(names) == 1 else None
    return None


def _refusal(schema: Schema, path: str) -> ProviderRefused:
    restricted = next((key for key in _UNDECIDABLE if key in schema), None)
    kind = restricted or schema.get("type") or "value of no plain type"
    where = f"the field {path!r}" if path else "the answer"
    return ProviderRefused(
        f"{OFFLINE_EXTRACT} cannot decide {where} ({kind}): it only copies sentences and phrases "
        "out of the prompt and is not a language model",
        hint="configure a language model: add a [providers.NAME] table to holdfast.toml and name "
        "one of its models",
    )


def _with_last(found: Sequence[str]) -> list[tuple[str, bool]]:
    return [(each, place == len(found) - 1) for place, each in enumerate(found)]
