"""Flip every byte of a small store, one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from holdfast.testing.crash.image import Content, Image

MASKS = 0x01, 0x80, 0xFF
"""What a byte is combined with: its lowest bit, its highest, all of it."""


class Flipped(Enum):
    """What a store made of a damaged byte."""

    UNHARMED = "unharmed"
    """All data is there, and nothing was said: nobody reads this byte."""

    HEALED = "healed"
    """All data is there, and the damage was noticed."""

    DETECTED = "detected"
    """The damage was reported, with less data or none; none that is wrong."""

    WRONG = "wrong"
    """The store gave data that nobody wrote, or left some out without a word."""


@dataclass(slots=True)
class Flips:
    """How often each of the four happened, and where the wrong ones were."""

    counts: Counter[Flipped] = field(default_factory=Counter[Flipped])
    wrong: list[str] = field(default_factory=list[str])

    def require_clean(self) -> None:
        """Raise an AssertionError that tells where a flipped byte gave wrong data, if one did."""
        told = "\n".join(f"- {each}" for each in self.wrong[:5])
        total = self.counts.total()
        assert not self.wrong, f"{len(self.wrong)} of {total} flips gave wrong data:\n{told}"

    def figures(self) -> dict[str, int]:
        """Return the numbers by name."""
        named = {flipped.value: self.counts[flipped] for flipped in Flipped}
        return {"flips": self.counts.total(), **named}


def flip_every_byte(
    image: Image,
    check: Callable[[Image], Flipped],
    *,
    masks: Sequence[int] = MASKS,
    step: int = 1,
) -> Flips:
    """Return what `check` says of the image with each byte of each file changed, one at a time.

    With a `step` above 1 only each so manieth byte is changed.
    """
    found = Flips()
    for path, offset in list(image.positions())[::step]:
        content = image.files[path]
        for mask in masks:
            damaged = image.replace(path, _flip(content, offset, mask))
            flipped = check(damaged)
            found.counts[flipped] += 1
            if flipped is Flipped.WRONG:
                found.wrong.append(f"byte {offset} of {path}, combined with {mask:#04x}")
    return found


def _flip(content: Content, offset: int, mask: int) -> Content:
    return content.write(bytes([content.read(1, offset)[0] ^ mask]), offset)
