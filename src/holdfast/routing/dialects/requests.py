"""Read chat requests, the form that questions have inside Holdfast, and refuse what is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from holdfast.errors import Untranslatable
from holdfast.routing.dialects.seam import Object

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def check_request(body: Object) -> None:
    """Check that a body has a model and messages.

    Raises:
        Untranslatable: it has not, or a message is no object or of no known role.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Untranslatable("model", "must be the name of a model")
    read_messages(body)


def read_messages(body: Object) -> Sequence[Object]:
    """Return the messages of a body.

    Raises:
        Untranslatable: they are no list of objects with a known role, or there are none.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Untranslatable("messages", "must be a list with at least one message")
    for place, message in enumerate(cast("list[object]", messages)):
        if not isinstance(message, Mapping):
            raise Untranslatable(f"messages[{place}]", "must be an object")
        role = cast("Object", message).get("role")
        if role not in ROLES:
            raise Untranslatable(
                f"messages[{place}].role", f"must be one of {', '.join(ROLES)}, not {role!r}"
            )
    return cast("list[Object]", messages)
