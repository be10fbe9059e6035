"""Import litellm when it is first needed, and leave nothing of it running that was not asked for.

Its import takes seconds, so it is done in a thread. What it does besides calls is off: the price table
that it fetches, tokenizers that it downloads, callbacks, its own retries, caches and messages.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import warnings
from functools import cache
from typing import Any, Final

from holdfast.errors import ProviderRefused
from holdfast.routing.faults import Fault

_ENVIRONMENT: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it is fetched at import
    "LITELLM_MODE": "PRODUCTION",  # else a .env file near by is read into the environment
}
_CALLBACKS: Final = (
    "callbacks", "input_callback", "success_callback", "failure_callback", "service_callback",
    "_async_input_callback", "_async_success_callback", "_async_failure_callback",
)  # fmt: skip
_SETTINGS: Final[dict[str, object]] = {
    "telemetry": False,
    "suppress_debug_info": True,
    "turn_off_message_logging": True,
    "disable_hf_tokenizer_download": True,
    "user_url_validation": True,
    "drop_params": False,
    "modify_params": False,
    "cache": None,
    "num_retries": 0,
    "fallbacks": None,
    "default_fallbacks": None,
    "model_fallbacks": None,
    "api_base": None,
    "headers": None,
}


async def library(name: str) -> Any:
    """Return the module `litellm`, which provider `name` needs.

    Raises:
        ProviderRefused: it is not installed.
    """
    try:
        return await asyncio.to_thread(_load)
    except ImportError as error:
        raise ProviderRefused(
            f"provider {name!r} is of the kind litellm, and that library cannot be imported: {error}",
            hint="pip install 'holdfast[litellm]'",
            fault=Fault.FORBIDDEN,
        ) from None


@cache
def _load() -> Any:
    os.environ.update(_ENVIRONMENT)  # noqa: TID251 - litellm has no other way to be told
    litellm = importlib.import_module("litellm")
    for name, value in _SETTINGS.items():
        setattr(litellm, name, value)
    for name in _CALLBACKS:
        setattr(litellm, name, [])
    # pydantic says it of litellm's types on the first call; it is nothing that a user could mend.
    warnings.filterwarnings("ignore", message=".*`ReadOnly` qualifier", category=UserWarning)
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).disabled = True
    return litellm


async def close_connections() -> None:
    """Close the connections that litellm keeps, if it was ever imported."""
    if _load.cache_info().currsize:
        cleaning = importlib.import_module("litellm.llms.custom_httpx.async_client_cleanup")
        await cleaning.close_litellm_async_clients()
