"""Answers of models, recorded once and given again: a suite that costs nothing and needs no network.

One JSON object a line: the hash of what was asked, and the reply. The name under which a provider
offers a model is not part of the question, so that a recording survives a change of provider.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from holdfast.errors import ProviderRefused, WorkflowError
from holdfast.evals.passing import PassingProvider
from holdfast.routing.seam import ModelReply, ModelRequest, OnText, Price, Provider, Traits, Usage


def question_key(request: ModelRequest) -> str:
    """Return the hash of all that decides an answer."""
    asked = {
        "model": request.model.rpartition("/")[2],
        "messages": [[each.role, each.content] for each in request.messages],
        "output": None if request.output is None else [request.output.name, request.output.schema],
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
    }
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Cassette:
    """Recorded replies by question. What was asked twice is answered in the same order."""

    def __init__(self) -> None:
        self._replies: dict[str, list[ModelReply]] = {}
        self._played: dict[str, int] = {}

    @classmethod
    def load(cls, path: Path) -> Cassette:
        """Read a recording.

        Raises:
            WorkflowError: it is not there, or is damaged.
        """
        made = cls()
        try:
            lines = path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            raise WorkflowError(
                f"there are no recorded answers in {str(path)!r}",
                hint="record them once with real models: add --record --budget-sats N",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise WorkflowError(f"cannot read {str(path)!r}: {error}") from None
        for number, line in enumerate(lines, 1):
            try:
                made._add_line(line)
            except (ValueError, KeyError, TypeError) as error:
                raise WorkflowError(
                    f"{path}:{number}: is no recorded answer ({error})",
                    hint="record the suite anew with --record",
                ) from None
        return made

    def add(self, request: ModelRequest, reply: ModelReply) -> None:
        """Keep a reply."""
        self._replies.setdefault(question_key(request), []).append(replace(reply, value=reply.text))

    def play(self, request: ModelRequest) -> ModelReply | None:
        """Return the next reply to this question, the last one again after that."""
        key = question_key(request)
        replies = self._replies.get(key)
        if not replies:
            return None
        turn = self._played.get(key, 0)
        self._played[key] = turn + 1
        return replies[min(turn, len(replies) - 1)]

    def save(self, path: Path) -> None:
        """Write all of it, whole or not at all."""
        lines = [
            json.dumps({"key": key, **asdict(reply)}, ensure_ascii=True)
            for key, replies in sorted(self._replies.items())
            for reply in replies
        ]
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_text("".join(f"{line}\n" for line in lines), "utf-8")
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise WorkflowError(f"cannot write {str(path)!r}: {error.strerror}") from None

    def _add_line(self, line: str) -> None:
        members = cast("dict[str, Any]", json.loads(line))
        key, usage = members.pop("key"), members.pop("usage")
        self._replies.setdefault(key, []).append(ModelReply(usage=Usage(**usage), **members))


class RecordedProvider:
    """Give recorded answers, whatever the model. Nothing is paid; `would_cost` is what it once was."""

    name = "recorded"

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette
        self.would_cost: list[int | None] = []

    @property
    def traits(self) -> Traits:
        return Traits(tier="local", local=True)

    def models(self) -> tuple[str, ...]:
        return ()

    def serves(self, model: str) -> bool:
        del model
        return True

    def price(self, model: str) -> Price | None:
        del model
        return Price(input_msat_per_million=0, output_msat_per_million=0)

    async def complete(self, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        reply = self._cassette.play(request)
        if reply is None:
            asked = request.messages[-1].content[:80] if request.messages else ""
            raise ProviderRefused(
                f"no answer of {request.model!r} is recorded for {asked!r}",
                hint="the workflow asks something new: record the suite anew with --record",
            )
        self.would_cost.append(reply.cost_msat)
        if on_text is not None:
            on_text(reply.text)
        return replace(reply, cost_msat=0)

    async def close(self) -> None:
        pass


class RecordingProvider(PassingProvider):
    """Ask a real provider and keep what it says."""

    def __init__(self, inner: Provider, cassette: Cassette) -> None:
        super().__init__(inner)
        self._cassette = cassette

    async def complete(self, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        reply = await self._inner.complete(request, on_text)
        self._cassette.add(request, reply)
        return reply


def recorded(cassette: Cassette) -> tuple[RecordedProvider, ...]:
    """Return the providers of a run that must not ask anybody."""
    return (RecordedProvider(cassette),)


def recording(providers: Sequence[Provider], cassette: Cassette) -> tuple[Provider, ...]:
    """Return providers that are recorded."""
    return tuple(RecordingProvider(each, cassette) for each in providers)
