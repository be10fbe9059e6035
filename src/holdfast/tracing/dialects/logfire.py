"""Logfire of Pydantic: `logfire.*`, and the events and responses of its model instrumentations.

Source: logfire 4 and 5, `logfire._internal.constants` and the instrumentation of OpenAI.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from holdfast.tracing.billing.usage import counts_beyond_tokens, usage_of
from holdfast.tracing.dialects.facts import Facts, Names, Wanted, ask, first, has, text
from holdfast.tracing.span import Span

_WANTED = Wanted(
    input=ask(first, "request_data", "all_messages_events", "events"),
    output=ask(first, "response_data", "final_result"),
)


def applies(names: Names) -> bool:
    """Whether attributes of these names are of this convention."""
    return has(names, "logfire.", "all_messages_events")


def read(span: Span) -> Facts:
    """Return what Logfire's attributes say."""
    attributes = span.attributes
    response = attributes.get("response_data")
    told = response.get("usage") if isinstance(response, Mapping) else None
    report = cast("Mapping[str, object] | None", told if isinstance(told, Mapping) else None)
    asked = attributes.get("request_data")
    model = text(cast("Mapping[str, str]", asked), "model") if isinstance(asked, Mapping) else ""
    facts = cast("Facts", _WANTED.told(attributes))
    facts["dialect"] = "logfire"
    facts["role"] = "model" if report is not None or model else None
    facts["model"] = model
    if report is not None:
        facts["usage"] = usage_of(report)
        if counts_beyond_tokens(report):
            facts["beyond_tokens"] = True
    return facts
