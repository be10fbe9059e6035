"""Say in our own errors what an OpenAI-compatible endpoint answered instead of a reply.

What a retry may cure is `ProviderUnavailable`, everything else `ProviderRefused`. Sentences
quote the endpoint but never a key.
"""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime

from holdfast.errors import ErrorInAnswer, ProviderError, ProviderRefused, ProviderUnavailable
from holdfast.routing.config import ProviderConfig
from holdfast.routing.faults import Fault, fault_of_status

_WORTH_A_RETRY = frozenset({408, 425, 429})
_EXCERPT = 300


def status_failure(
    config: ProviderConfig, model: str, status: int, message: str, retry_after: float | None
) -> ProviderError:
    """Return the error for an answer with an HTTP error status."""
    where, fault = f"provider {config.name!r}", fault_of_status(status)
    if status in _WORTH_A_RETRY or status >= 500:
        what = "limits the rate of requests" if status == 429 else "cannot serve now"
        return ProviderUnavailable(
            f"{where} {what} (HTTP {status}){_quoted(config, message)}",
            hint="try again later, or add another provider that serves the model",
            retry_after=retry_after,
            fault=fault,
        )
    if status == 401:  # the endpoint's own sentence often repeats a part of the key
        return ProviderRefused(
            f"{where} does not accept the key (HTTP 401)", hint=key_hint(config), fault=fault
        )
    return ProviderRefused(
        f"{where} refused the request for {model!r} (HTTP {status}){_quoted(config, message)}",
        hint=_what_to_mend(config, model, status),
        fault=fault,
    )


def body_failure(config: ProviderConfig, model: str, error: ErrorInAnswer) -> ProviderError:
    """Return the error for an error inside an answer whose status was 200."""
    failure = status_failure(config, model, error.status, error.message, None)
    if failure.fault == Fault.SERVER:
        failure.fault = Fault.IN_BAND
    return failure


def key_hint(config: ProviderConfig) -> str:
    """Return where a valid key for the provider belongs."""
    variable = config.key_variable
    if variable:
        return f"set the environment variable {variable} to a valid key"
    variable = f"{config.name.upper().replace('-', '_').replace('.', '_')}_API_KEY"
    return (
        f"set the environment variable {variable} to a valid key and write "
        f'api_key = "${{{variable}}}" below [providers.{config.name}] in holdfast.toml'
    )


def parse_retry_after(value: str | None, now_ms: int) -> float | None:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
        except ValueError:
            return None
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        seconds = then.timestamp() - now_ms / 1000
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _quoted(config: ProviderConfig, message: str) -> str:
    text = " ".join(message.split())
    if config.api_key:
        text = text.replace(config.api_key, "***")
    return f": {text[:_EXCERPT]}{'…' if len(text) > _EXCERPT else ''}" if text else ""


def _what_to_mend(config: ProviderConfig, model: str, status: int) -> str:
    match status:
        case 402:
            return "the account of this key has no credit left"
        case 403:
            return f"the key may not use {model!r}: choose another model or key"
        case 404:
            return (
                f"check the name {model!r} and the base_url of [providers.{config.name}] "
                "in holdfast.toml; it usually ends in /v1"
            )
        case _ if 300 <= status < 400:
            return f"write the address that it redirects to as base_url of {config.name!r}"
        case _:
            return "the request itself must change: its messages, schema or length"
