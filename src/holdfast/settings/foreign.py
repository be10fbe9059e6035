"""Read what only providers of the kind litellm have."""

from __future__ import annotations

import re
from collections.abc import Mapping

from holdfast.routing.config import LITELLM, ProviderConfig
from holdfast.settings.keys import warn_of_mode
from holdfast.settings.reader import Section
from holdfast.settings.values import key_of

_PREFIX = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9_-]+)*")
_SECRET = re.compile(r"key|secret|token|password|credential")
_OURS = frozenset(
    {
        "api_base", "api_key", "base_url", "caching", "callbacks", "custom_llm_provider",
        "fallbacks", "input", "max_retries", "messages", "metadata", "mock_response", "model",
        "no-log", "num_retries", "stream", "stream_options", "timeout",
    }
)  # fmt: skip


def as_prefix(value: object) -> str:
    """Return the name of a provider of litellm."""
    if not isinstance(value, str) or not _PREFIX.fullmatch(value):
        raise ValueError("must be a name of litellm's such as 'bedrock' or 'vertex_ai'")
    return value


def read_options(section: Section | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments for litellm, `${VARIABLE}` replaced; one that is not set is left out."""
    if section is None:
        return {}
    options: dict[str, str] = {}
    for name in sorted(section.table):
        if name in _OURS:
            section.problem(name, "is set by Holdfast: it is no option")
            continue
        value, variable = section.take(name, lambda text: key_of(text, environ), (None, None))
        if value is not None:
            options[name] = value
            if variable is None and _SECRET.search(name):
                warn_of_mode(section)
        elif variable is not None:
            section.found.warnings.append(
                f"{section.origin}: {section.path}{name} is left out: the environment variable "
                f"{variable} is not set"
            )
    return options


def check_kind(section: Section, config: ProviderConfig) -> None:
    """Say what belongs to the kind litellm only, and what it must have or cannot have."""
    if config.kind != LITELLM:
        for name in ("prefix", "options"):
            if name in section.table:
                section.problem(name, 'is for kind = "litellm" only')
        return
    if config.auto_discover:
        section.problem("auto_discover", "endpoints of the kind litellm list no models")
    if not config.prefix and not config.models:
        section.problem("prefix", "is missing: name litellm's provider, or list models")
