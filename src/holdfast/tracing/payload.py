"""What a span says instead of a long value: where the whole is kept, and how it begins.

A value that is too long for a span (a prompt, an answer, the arguments of a tool) is taken apart
into messages, each is kept once under its hash, and the attribute holds the mapping that
`Reference.as_value` returns. Nothing is cut: the preview is for eyes only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self, cast

from holdfast.frozen import frozen
from holdfast.tracing.span import Value

MARK = "$payload"
_CHAIN = "$chain"
_CHAIN_BEGINS = b'{"$chain"'
PREVIEW = 256
"""How many characters of a long value stay in its span."""

Form = Literal["text", "json", "messages", "bytes"]
"""`text` and `json` are one part; `messages` is a JSON array with one part an element."""

KeepPart = Callable[[bytes, bytes], None]
"""Takes the 16 bytes of a hash and the compressed part, to be kept with the spans."""

FetchPart = Callable[[bytes], bytes | None]
"""Returns the compressed part with this hash, None if it was removed."""


@frozen
class Reference:
    """A long value that is kept elsewhere. `parts` are hashes in hex, `size` is in bytes.

    With `chain`, the parts before the first of `parts` are those of the turn of that hash and of all
    before it (`Chain`): a conversation that grows is kept as one link a turn. `style` says how
    messages were written as text; empty if they were values.
    """

    form: Form
    parts: tuple[str, ...]
    size: int
    preview: str
    chain: str = ""
    style: str = ""

    def as_value(self) -> Mapping[str, Value]:
        """Return the mapping that stands in the attribute."""
        return {
            MARK: self.form, "parts": self.parts, "size": self.size, "preview": self.preview,
            **({"chain": self.chain} if self.chain else {}),
            **({"style": self.style} if self.style else {}),
        }  # fmt: skip

    @classmethod
    def of(cls, value: object) -> Self | None:
        """Return the reference that an attribute holds; None for any other value."""
        if not isinstance(value, Mapping) or MARK not in value or "parts" not in value:
            return None
        found = cast("Mapping[str, object]", value)
        return cls(
            form=cast("Form", found[MARK]),
            parts=tuple(cast("Sequence[str]", found["parts"])),
            size=cast("int", found["size"]),
            preview=cast("str", found["preview"]),
            chain=cast("str", found.get("chain", "")),
            style=cast("str", found.get("style", "")),
        )


@frozen
class Chain:
    """One turn of a conversation that grows: the parts that it added, and the turn before.

    It is kept as a part itself; a reference with `chain` names it by its hash (in hex).
    """

    before: str
    parts: tuple[str, ...]

    def dump(self) -> bytes:
        """Return it as the content of a part, before compression."""
        return json.dumps({_CHAIN: self.before, "parts": self.parts}).encode()

    @classmethod
    def load(cls, content: bytes) -> Self | None:
        """Return the turn that a part holds; None if it holds something else."""
        if not content.startswith(_CHAIN_BEGINS):
            return None
        held = cast("dict[str, Any]", json.loads(content))
        return cls(before=held[_CHAIN], parts=tuple(held["parts"]))
