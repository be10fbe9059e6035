"""What of a request is handed to litellm. Pure.

Its functions take the fields of a request and what steers litellm itself (addresses, keys, callbacks,
canned answers) through the same arguments. So only fields that are known to be the request's
are passed on: a client of the proxy must not be able to send our key to an address of its own.
"""

from __future__ import annotations

from typing import Final

from holdfast.errors import Untranslatable
from holdfast.routing.config import ProviderConfig
from holdfast.routing.dialects.requests import BOOKKEEPING, check_request
from holdfast.routing.dialects.seam import Document, Object

_CHAT: Final = frozenset(
    {
        "audio", "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens",
        "max_tokens", "messages", "min_p", "modalities", "n", "parallel_tool_calls",
        "presence_penalty", "reasoning_effort", "repetition_penalty", "response_format", "seed",
        "service_tier", "stop", "temperature", "thinking", "tool_choice", "tools", "top_k",
        "top_logprobs", "top_p", "verbosity", "web_search_options",
    }
)  # fmt: skip
_EMBEDDING: Final = frozenset({"dimensions", "encoding_format", "input", "input_type"})
_DROPPED: Final = frozenset({*BOOKKEEPING, "model", "stream"})
_FOR_EVER: Final = 1_000_000.0


def chat_arguments(config: ProviderConfig, body: Object, *, stream: bool) -> Document:
    """Return the arguments for a chat body.

    Raises:
        Untranslatable: it is no request, or holds a field that cannot be handed on.
    """
    check_request(body)
    made = _arguments(config, body, _CHAT)
    if stream:
        made |= {"stream": True, "stream_options": {"include_usage": True}}
    return made


def embedding_arguments(config: ProviderConfig, body: Object) -> Document:
    """Return the arguments for a request for embeddings.

    Raises:
        Untranslatable: as above.
    """
    return _arguments(config, body, _EMBEDDING)


def _arguments(config: ProviderConfig, body: Object, known: frozenset[str]) -> Document:
    made: Document = {}
    for name, value in body.items():
        if name in known and value is not None:
            made[name] = value
        elif value and name not in _DROPPED:
            raise Untranslatable(
                name,
                "cannot be handed to a provider of the kind litellm",
                hint=f"leave {name} out, or ask another provider",
            )
    model = str(body.get("model"))
    prefix = config.prefix
    return made | _steering(config) | {"model": f"{prefix}/{model}" if prefix else model}


def _steering(config: ProviderConfig) -> Document:
    """Return what says where and how to ask; all waiting and trying again is ours."""
    made: Document = {
        **config.options,
        "timeout": _FOR_EVER,
        "max_retries": 0,
        "num_retries": 0,
        "no-log": True,
        "caching": False,
    }
    if config.base_url:
        made["api_base"] = config.base_url
        # Without a key litellm would send one of the environment to this address.
        made["api_key"] = config.api_key or "none"
    elif config.api_key:
        made["api_key"] = config.api_key
    return made
