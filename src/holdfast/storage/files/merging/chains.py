"""Find the journals in a heap of lines: each line names the one before it by its hash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

from holdfast.errors import StorageCorrupt
from holdfast.storage.files.cursor import behind
from holdfast.storage.files.lines import Line
from holdfast.storage.files.merging.joining import Joined, join
from holdfast.storage.files.segments import Damage, read_lines, without_zeros


def lines_in(data: bytes, name: str) -> list[Line]:
    """Return the lines of a segment; what a dying writer left behind the last one is none.

    Raises:
        StorageCorrupt: it is damaged before that.
    """
    lines: list[Line] = []
    torn: Damage | None = None
    for item in read_lines(without_zeros(data), 0, 0):
        if isinstance(item, Damage):
            torn = item
        elif torn:
            raise StorageCorrupt(
                f"{name} is damaged at byte {torn.offset}: {torn.reason}",
                hint="run `holdfast store repair` in the clone that it comes from, commit, and "
                "merge again",
            )
        else:
            lines.append(item.line)
    return lines


def chains_of(lines: Iterable[Line]) -> list[list[Line]]:
    """Return every journal that ends in one of the lines, in the order of the hashes of their ends.

    Raises:
        StorageCorrupt: they do not begin at one place, so lines are missing.
    """
    known = {behind(line)[1]: line for line in lines}
    followed = {line.previous for line in known.values()}
    chains = [_back_from(digest, known) for digest in sorted(known.keys() - followed)]
    if len({chain[0].previous for chain in chains}) > 1:
        raise StorageCorrupt(
            "the two journals have no common beginning: lines are missing, as after a compaction of "
            "one clone before the other one had what it replaced",
            hint="check the commit before the compaction out into another folder OLD, run `holdfast "
            "merge OLD COMPACTED` with the two folders of the store, and merge with OLD instead",
        )
    return chains


def join_all(chains: Sequence[Sequence[Line]], *, longest: int | None) -> Joined:
    """Join journals, one after the other; of two the order makes no difference."""
    return reduce(
        lambda joined, chain: join(joined.lines, chain, longest=longest),
        chains[1:],
        Joined(lines=chains[0]),
    )


def _back_from(digest: str, known: dict[str, Line]) -> list[Line]:
    chain = [known[digest]]
    while before := known.get(chain[-1].previous):
        chain.append(before)
    return chain[::-1]
