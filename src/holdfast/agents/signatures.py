"""What a tool takes and gives, as the checker and the editor see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.agents.types import ANY, Type
from holdfast.agents.workflow import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSignature:
    """The name of a tool, its parameters (one without `has_default` must be given) and its result."""

    name: str
    parameters: Mapping[str, Field] = field(default_factory=dict[str, Field])
    returns: Type = ANY
    description: str = ""


Catalogue = Mapping[str, ToolSignature]
