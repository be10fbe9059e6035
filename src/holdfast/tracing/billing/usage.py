"""Take the usage that a provider reports apart, so that no token is counted twice. Pure.

Providers disagree whether tokens in include those read from a cache (OpenAI, Gemini and most: yes;
Anthropic and Bedrock: no) and whether tokens out include reasoning (OpenAI: yes; Gemini and xAI:
no). The shape of a report tells whose rule holds, and a reported total decides where it is doubtful.
Sources: the API references of the providers named in `tests/tracing/billing/shapes.json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from holdfast.tracing.meaning import TokenUsage

Raw = Mapping[str, object]

_MOST = 10**15
"""No report has so many tokens."""
SEARCHES = ("citation_tokens", "num_search_queries")
_SEARCHED = "search_context_size"
"""What Perplexity counts beside tokens, and the size by which it charges a request for its search."""
_SEARCHING = ("server_tool_use", "prompt_tokens_details")
"""Where Anthropic counts its searches, and where litellm counts those of others."""
_PARTS = frozenset(
    {"cache_read", "cache_write", "reasoning", "audio_input", "audio_output", "image_input"}
)
_PLAIN = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
"""What a report of OpenAI's form has that tells nothing but the sums, as most do."""


def usage_of(raw: Raw) -> TokenUsage:
    """Return the tokens of a report, whichever provider wrote it.

    `raw` is the usage object of a reply, or the reply itself where it has none (Ollama). Numbers that
    are none, or negative, count as not told.
    """
    for holder in ("usage", "usageMetadata", "usage_metadata"):
        inner = raw.get(holder)
        if inner is not None and isinstance(inner, Mapping):
            raw = cast("Raw", inner)
            break
    if _PLAIN.issuperset(raw):
        return TokenUsage(
            input=count_of(raw.get("prompt_tokens")), output=count_of(raw.get("completion_tokens"))
        )
    report = _Report(raw)
    for reads in (_gemini, _bedrock, _anthropic, _cohere, _ollama, _deepseek):
        usage = reads(report)
        if usage is not None:
            return usage
    return _openai(report)


def counts_beyond_tokens(raw: Raw) -> bool:
    """Whether a usage object counts what is charged and is no token of the request or the answer."""
    if _PLAIN.issuperset(raw):  # nearly always
        return False
    if raw.get(_SEARCHED) or any(count_of(raw.get(name)) for name in SEARCHES):
        return True
    parts = (_mapping(raw.get(name)) for name in _SEARCHING)
    return any(part and count_of(part.get("web_search_requests")) for part in parts)


def split(  # noqa: PLR0913 - the members of a usage, by keyword
    *,
    inward: int | None,
    outward: int | None,
    cache_read: int | None = None,
    cache_write: int | None = None,
    cache_write_1h: int | None = None,
    reasoning: int | None = None,
    audio_input: int | None = None,
    audio_output: int | None = None,
    image_input: int | None = None,
    input_holds_cache: bool = True,
    output_holds_reasoning: bool = True,
    total: int | None = None,
) -> TokenUsage:
    """Return sums and their parts taken apart.

    Where the parts cannot lie inside their sum, or a total says otherwise, they stand beside it.
    """
    cached = _sum(cache_read, cache_write, cache_write_1h)
    inside = _sum(cached if input_holds_cache else 0, audio_input, image_input)
    if inward is not None and inside > inward:
        input_holds_cache, inside = False, _sum(audio_input, image_input)
    if output_holds_reasoning and _lies_beside(total, inward, outward, reasoning):
        output_holds_reasoning = False
    out_inside = _sum(reasoning if output_holds_reasoning else 0, audio_output)
    if outward is not None and out_inside > outward:
        out_inside = _sum(audio_output) if _sum(audio_output) <= outward else 0
    return TokenUsage(
        input=None if inward is None else max(0, inward - inside),
        cache_read=cache_read,
        cache_write=cache_write,
        cache_write_1h=cache_write_1h,
        output=None if outward is None else max(0, outward - out_inside),
        reasoning=reasoning,
        audio_input=audio_input,
        audio_output=audio_output,
        image_input=image_input,
    )


def split_told(counts: Mapping[str, int]) -> TokenUsage:
    """Return counts by the names that `split` has for them, those that were told, taken apart."""
    if _PARTS.isdisjoint(counts):  # nothing lies in anything, as in most reports
        return TokenUsage(input=counts.get("inward"), output=counts.get("outward"))
    tell = counts.get
    return split(
        inward=tell("inward"),
        outward=tell("outward"),
        cache_read=tell("cache_read"),
        cache_write=tell("cache_write"),
        reasoning=tell("reasoning"),
        audio_input=tell("audio_input"),
        audio_output=tell("audio_output"),
        image_input=tell("image_input"),
        total=tell("total"),
    )


def _lies_beside(
    total: int | None, inward: int | None, outward: int | None, reasoning: int | None
) -> bool:
    """Whether a total says that reasoning is not part of the tokens out."""
    if total is None or not reasoning or inward is None or outward is None:
        return False
    return total == inward + outward + reasoning


class _Report:
    """Numbers of a report by the way to them; what is no count is not there."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def __call__(self, *ways: str) -> int | None:
        """Return the number at the first way that leads to one."""
        for way in ways:
            value: object = self._raw
            for step in way.split("."):
                inner = _mapping(value)
                value = inner.get(step) if inner is not None else None
            number = count_of(value)
            if number is not None:
                return number
        return None

    def modality(self, way: str, kind: str) -> int | None:
        """Return the tokens of one kind in Gemini's lists of them."""
        details = self._raw.get(way)
        if not isinstance(details, list):
            return None
        found = [
            count_of(each.get("tokenCount", each.get("token_count")))
            for each in _mappings(cast("list[object]", details))
            if str(each.get("modality", "")).upper() == kind
        ]
        told = [each for each in found if each is not None]
        return sum(told) if told else None


def count_of(value: object) -> int | None:
    """Return a count of tokens, None for anything that is none; numbers may be written as text."""
    if type(value) is int:  # nearly always
        return value if 0 <= value < _MOST else None
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # not a number is in no range
    return int(value) if 0 <= value < _MOST else None


def _openai(report: _Report) -> TokenUsage:
    """OpenAI's chat and responses, and all who follow them: Azure, Mistral, Groq, xAI, OpenRouter."""
    return split(
        inward=report("prompt_tokens", "input_tokens"),
        outward=report("completion_tokens", "output_tokens"),
        cache_read=report(
            "prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens",
            "input_token_details.cache_read", "cache_read_input_tokens", "cached_tokens",
            "num_cached_tokens",
        ),
        cache_write=report(
            "prompt_tokens_details.cache_write_tokens", "input_tokens_details.cache_write_tokens",
            "cache_creation_input_tokens",
            "prompt_tokens_details.cache_creation_input_tokens",
            "input_token_details.cache_creation",
        ),
        reasoning=report(
            "completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens",
            "output_token_details.reasoning", "reasoning_tokens",
            "output_tokens_details.thinking_tokens",
        ),
        audio_input=report(
            "prompt_tokens_details.audio_tokens", "input_token_details.audio_tokens",
            "input_token_details.audio", "input_tokens_details.audio_tokens",
        )
        or None,
        audio_output=report(
            "completion_tokens_details.audio_tokens", "output_token_details.audio_tokens",
            "output_token_details.audio", "output_tokens_details.audio_tokens",
        )
        or None,
        image_input=report("input_tokens_details.image_tokens", "prompt_tokens_details.image_tokens")
        or None,
        total=report("total_tokens"),
    )  # fmt: skip


def _anthropic(report: _Report) -> TokenUsage | None:
    """Anthropic's messages: tokens in stand beside those of the cache."""
    if "prompt_tokens" in report or "input_tokens" not in report:
        return None
    if not any(
        name in report
        for name in ("cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation")
    ):
        return None
    total = report("total_tokens")
    if total is not None and total == _sum(report("input_tokens"), report("output_tokens")):
        return None  # the sum says that what was cached is among the tokens in
    short = report("cache_creation.ephemeral_5m_input_tokens")
    long = report("cache_creation.ephemeral_1h_input_tokens")
    written = report("cache_creation_input_tokens")
    if short is None and long is None:
        short = written
    return split(
        inward=report("input_tokens"),
        outward=report("output_tokens"),
        cache_read=report("cache_read_input_tokens"),
        cache_write=short,
        cache_write_1h=long,
        reasoning=report("output_tokens_details.thinking_tokens"),
        input_holds_cache=False,
    )


def _bedrock(report: _Report) -> TokenUsage | None:
    """Amazon Bedrock's Converse: tokens in stand beside those of the cache."""
    if "inputTokens" not in report:
        return None
    return split(
        inward=report("inputTokens"),
        outward=report("outputTokens"),
        cache_read=report("cacheReadInputTokens", "cacheReadInputTokenCount"),
        cache_write=report("cacheWriteInputTokens", "cacheWriteInputTokenCount"),
        input_holds_cache=False,
    )


def _gemini(report: _Report) -> TokenUsage | None:
    """Google's Gemini: the prompt holds what was cached, the candidates not the thoughts."""
    if "promptTokenCount" not in report and "prompt_token_count" not in report:
        return None
    prompt = report("promptTokenCount", "prompt_token_count")
    tools = report("toolUsePromptTokenCount", "tool_use_prompt_token_count")
    details = "promptTokensDetails" if "promptTokensDetails" in report else "prompt_tokens_details"
    out_details = (
        "candidatesTokensDetails"
        if "candidatesTokensDetails" in report
        else "candidates_tokens_details"
    )
    return split(
        inward=None if prompt is None else prompt + (tools or 0),
        outward=report("candidatesTokenCount", "candidates_token_count"),
        cache_read=report("cachedContentTokenCount", "cached_content_token_count"),
        reasoning=report("thoughtsTokenCount", "thoughts_token_count"),
        audio_input=report.modality(details, "AUDIO"),
        audio_output=report.modality(out_details, "AUDIO"),
        image_input=report.modality(details, "IMAGE"),
        output_holds_reasoning=False,
    )


def _cohere(report: _Report) -> TokenUsage | None:
    """Cohere's chat: what is billed, which is less than what the model saw."""
    if "billed_units" not in report:
        return None
    return split(
        inward=report("billed_units.input_tokens", "tokens.input_tokens"),
        outward=report("billed_units.output_tokens", "tokens.output_tokens"),
        cache_read=report("cached_tokens"),
    )


def _ollama(report: _Report) -> TokenUsage | None:
    if "prompt_eval_count" not in report and "eval_count" not in report:
        return None
    return split(inward=report("prompt_eval_count"), outward=report("eval_count"))


def _deepseek(report: _Report) -> TokenUsage | None:
    """DeepSeek: what was and was not in the cache is told apart."""
    if "prompt_cache_miss_tokens" not in report:
        return None
    return split(
        inward=report("prompt_cache_miss_tokens"),
        outward=report("completion_tokens"),
        cache_read=report("prompt_cache_hit_tokens"),
        reasoning=report("completion_tokens_details.reasoning_tokens"),
        input_holds_cache=False,
    )


def _mappings(values: list[object]) -> Iterator[Raw]:
    yield from (cast("Raw", each) for each in values if isinstance(each, Mapping))


def _mapping(value: object) -> Raw | None:
    return cast("Raw", value) if isinstance(value, Mapping) else None


def _sum(*numbers: int | None) -> int:
    return sum(each or 0 for each in numbers)
