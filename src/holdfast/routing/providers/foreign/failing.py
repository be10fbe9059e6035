"""Say in our own errors what litellm raises. Pure.

litellm names its errors after OpenAI's classes, and calls much `InternalServerError` that is none. What
happened stands in the errors that it was raised from, so that those are looked at first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

from holdfast.errors import ProviderError, ProviderRefused, ProviderUnavailable
from holdfast.frozen import replace
from holdfast.routing.config import ProviderConfig
from holdfast.routing.faults import Fault, fault_of_status
from holdfast.routing.providers.failures import key_hint, parse_retry_after, status_failure

_MOST = 20
_BY_CLASS: Final[Mapping[str, Fault]] = {
    "ConnectError": Fault.CONNECT,
    "ConnectTimeout": Fault.CONNECT,
    "ClientConnectorError": Fault.CONNECT,
    "ReadError": Fault.TRUNCATED,
    "RemoteProtocolError": Fault.TRUNCATED,
    "ClientPayloadError": Fault.TRUNCATED,
    "StopAsyncIteration": Fault.TRUNCATED,
    "JSONDecodeError": Fault.MALFORMED,
    "Timeout": Fault.FIRST_BYTE,
    "UnsupportedParamsError": Fault.FORBIDDEN,
    "LiteLLMUnknownProvider": Fault.MODEL,
}
"""What an error in the chain says, the more telling first."""
_OF_A_BODY: Final = frozenset({"ClientPayloadError", "StopAsyncIteration"})
"""Errors that say that a body had begun, whether or not a word of it was read."""
_NO_KEY: Final = re.compile(
    r"(missing (credentials|.*\bapi.?key\b)|unable to locate credentials|\w+_KEY\b.* not set).*",
    re.IGNORECASE,
)
"""How litellm and what it uses say that they found no key."""
_VARIABLE: Final = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:KEY|TOKEN)\b")
_UNSET: Final = re.compile(
    r"(?=.*\b[a-z]+_[a-z_]+\b)(?:.*\bnot set\b|.*\bmissing\b|.*\bmust provide\b).*", re.IGNORECASE
)
"""How litellm says that something else is missing, which it names."""
_SETTING: Final = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_SAID: Final[Mapping[Fault, str]] = {
    Fault.CONNECT: "cannot be reached",
    Fault.FIRST_BYTE: "did not begin to answer",
    Fault.TRUNCATED: "broke off before the end of its answer",
    Fault.MALFORMED: "sent an answer that cannot be read",
}


def failure_of(
    config: ProviderConfig, model: str, error: Exception, *, begun: bool, now_ms: int
) -> ProviderError:
    """Return the error for an exception of litellm; `begun` says whether a part of the answer came."""
    chain = list(_chain(error))
    if missing := next((each for each in chain if isinstance(each, ImportError)), None):
        return ProviderRefused(
            f"provider {config.name!r} needs a package that is not installed: {missing}",
            hint="install what litellm asks for beside holdfast[litellm]",
            fault=Fault.FORBIDDEN,
        )
    fault, told = _fault_of(chain, begun=begun), _scrubbed(config, error)
    if fault is not None and fault in _SAID:
        return ProviderUnavailable(
            f"provider {config.name!r} {_SAID[fault]}: {told}",
            hint="try again later, or add another provider that serves the model",
            fault=fault,
        )
    if fault is not None:  # its own refusal: nothing was sent
        return ProviderRefused(
            f"provider {config.name!r} cannot be asked for this: {told}",
            hint=f"check prefix and options of [providers.{config.name}], and the name {model!r}",
            fault=fault,
        )
    if not _was_answered(chain) and (missing := _NO_KEY.search(told)):
        return ProviderRefused(
            f"provider {config.name!r} has no key that litellm could find: {missing[0]}",
            hint=_where_to_put(config, missing[0]),
            fault=Fault.AUTH,
        )
    status = _status_of(chain)
    if status in {401, 500} and not (begun or _was_answered(chain)) and _UNSET.match(told):
        return ProviderRefused(
            f"provider {config.name!r} lacks something that litellm needs: {told}",
            hint=_where_to_set(config, told),
            fault=Fault.FORBIDDEN,
        )
    plain = replace(config, api_key=None)  # nothing is left of it in the sentence
    failure = status_failure(plain, model, status, told, _retry_after(chain, now_ms))
    if failure.fault == Fault.SERVER and not _is_answer(chain):
        failure.fault = Fault.IN_BAND
    return failure


def _fault_of(chain: list[BaseException], *, begun: bool) -> Fault | None:
    names = {type(each).__name__ for each in chain}
    fault = next((fault for name, fault in _BY_CLASS.items() if name in names), None)
    if fault == Fault.TRUNCATED and not begun and not names & _OF_A_BODY:
        return Fault.FIRST_BYTE
    if fault is None and any("LLM Provider NOT provided" in str(each) for each in chain[:1]):
        return Fault.MODEL
    return fault


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it was raised from, the nearest first."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _MOST:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        causes = (each.__cause__, each.__context__, getattr(each, "original_exception", None))
        waiting += [cause for cause in causes if isinstance(cause, BaseException)]


def _status_of(chain: list[BaseException]) -> int:
    """Return the status that an endpoint answered with, or that an error in a body stands for."""
    for each in chain:
        status = getattr(each, "status_code", None)
        if isinstance(status, int) and 400 <= status <= 599:
            return status
    return 500


def _is_answer(chain: list[BaseException]) -> bool:
    """Whether an error is one of HTTP, so that its status is the endpoint's own."""
    return _was_answered(chain) or fault_of_status(_status_of(chain)) is not Fault.SERVER


def _was_answered(chain: list[BaseException]) -> bool:
    return any(type(each).__name__.endswith("HTTPStatusError") for each in chain)


def _where_to_put(config: ProviderConfig, told: str) -> str:
    """Return where the key belongs that litellm misses: in the variable that it names itself, if any."""
    variable = _VARIABLE.search(told)
    if variable is None:
        return f"set what the vendor's own tools read, or {key_hint(config)}"
    return (
        f"set the environment variable {variable[0]} to a valid key where Holdfast is started, or "
        f'write api_key = "${{{variable[0]}}}" below [providers.{config.name}] in holdfast.toml'
    )


def _where_to_set(config: ProviderConfig, told: str) -> str:
    variables = " or ".join(dict.fromkeys(_SETTING.findall(told)))
    here = f"give it below [providers.{config.name}.options] in holdfast.toml"
    return f"set {variables} where Holdfast is started, or {here}" if variables else here


def _retry_after(chain: list[BaseException], now_ms: int) -> float | None:
    for each in chain:
        headers = getattr(each, "litellm_response_headers", None)
        if isinstance(headers, Mapping):
            said = cast("Mapping[str, object]", headers).get("retry-after")
            return parse_retry_after(said, now_ms) if isinstance(said, str) else None
    return None


def _scrubbed(config: ProviderConfig, error: Exception) -> str:
    """Return what an error says on one line, without its traceback, a key or an option."""
    text = str(getattr(error, "message", "") or error).partition("Traceback")[0]
    text = " ".join(text.split())
    for secret in (config.api_key, *config.options.values()):
        if secret:
            text = text.replace(secret, "***")
    return text[:300]
