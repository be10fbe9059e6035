"""What a model's reply to a node must be, as the router needs it."""

from __future__ import annotations

import json
from typing import cast

from holdfast.agents.types import json_schema, problems
from holdfast.agents.workflow import ModelNode
from holdfast.errors import ModelOutputError
from holdfast.routing.seam import OutputContract


def output_contract(node: ModelNode) -> OutputContract | None:
    """Return the contract of a node's reply, None where plain text is wanted.

    Providers demand an object at the top, so anything else travels as its only member, named as
    the state field that it is meant for.
    """
    wanted = node.returns
    if wanted.kind == "str" and not wanted.values:
        return None
    member = None if wanted.kind == "object" else _member_name(node)
    schema = json_schema(wanted)
    if member is not None:
        schema = {
            "type": "object",
            "properties": {member: schema},
            "required": [member],
            "additionalProperties": False,
        }

    def parse(text: str) -> object:
        value = _unwrap(_read(text), member)
        wrong = problems(wanted, value)
        if wrong:
            raise ModelOutputError("The reply does not fit: " + "; ".join(wrong[:5]))
        return value

    return OutputContract(name=node.name, schema=schema, parse=parse)


def _member_name(node: ModelNode) -> str:
    return node.outputs[0].field if len(node.outputs) == 1 else "value"


def _read(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ModelOutputError(f"The reply is not JSON: {error}") from error


def _unwrap(value: object, member: str | None) -> object:
    """Take the value out of its wrapping; a model that left the wrapping away is understood."""
    if member is None or not isinstance(value, dict):
        return value
    members = cast("dict[str, object]", value)
    return members[member] if set(members) == {member} else members
