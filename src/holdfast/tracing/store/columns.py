"""Exact statistics over the columns of packs: with numpy where it is, else without.

A raw column block is what `packing.raw_columns` returns: for n spans n starts (int64, differences),
n durations (int64), n numbers of names (uint32), n statuses (uint8).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from holdfast.tracing.store.packing import STATUSES

if TYPE_CHECKING:
    import numpy

_ERROR = STATUSES.index("error")


class Counted(NamedTuple):
    """All spans of one name. `quantiles` are nanoseconds, in the order of the shares asked for."""

    name: int
    spans: int
    errors: int
    total_ns: int
    quantiles: Sequence[float]


class Gathered(Protocol):
    """The columns of many packs."""

    def by_name(self, shares: Sequence[float], only: int | None) -> list[Counted]:
        """Return what each name has; with `only` that one alone."""
        ...


class Durations:
    """The durations of one block."""

    def __init__(self, raw: bytes, count: int) -> None:
        view = memoryview(raw)
        self._durations, self._names = array("q"), array("I")
        self._durations.frombytes(view[8 * count : 16 * count])
        self._names.frombytes(view[16 * count : 20 * count])

    def of(self, name: int) -> list[int]:
        """Return those of one name."""
        pairs = zip(self._names, self._durations, strict=True)
        return [duration for number, duration in pairs if number == name]


def gather(blocks: Sequence[tuple[bytes, int]]) -> Gathered:
    """Return the columns of blocks, each with its count of spans."""
    try:
        import numpy  # noqa: PLC0415 - heavy, and an extra
    except ImportError:
        return _Plain(blocks)
    return _Numpy(blocks, numpy)


class _Numpy:
    def __init__(self, blocks: Sequence[tuple[bytes, int]], np: Any) -> None:
        self._np = np
        self._durations = self._join([raw[8 * n : 16 * n] for raw, n in blocks], "<i8")
        self._names = self._join([raw[16 * n : 20 * n] for raw, n in blocks], "<u4")
        self._statuses = self._join([raw[20 * n : 21 * n] for raw, n in blocks], "u1")

    def by_name(self, shares: Sequence[float], only: int | None) -> list[Counted]:
        np = self._np
        if not len(self._names):
            return []
        top = int(self._names.max())
        small = self._names.astype(np.uint16) if top < 1 << 16 else self._names
        order = np.argsort(small, kind="stable")  # by radix for 16 bits
        names, durations = small[order], self._durations[order]
        failed = (self._statuses == _ERROR)[order]
        bounds = np.flatnonzero(np.diff(names)) + 1
        starts = [0, *bounds.tolist()]
        ends = [*bounds.tolist(), len(names)]
        return [
            self._counted(int(names[start]), durations[start:end], failed[start:end], shares)
            for start, end in zip(starts, ends, strict=True)
            if only is None or int(names[start]) == only
        ]

    def _counted(
        self, name: int, durations: numpy.ndarray[Any, Any], failed: Any, shares: Sequence[float]
    ) -> Counted:
        return Counted(
            name=name,
            spans=len(durations),
            errors=int(failed.sum()),
            total_ns=int(durations.sum()),
            quantiles=[float(each) for each in self._np.quantile(durations, shares)],
        )

    def _join(self, blocks: Sequence[bytes], kind: str) -> Any:
        return self._np.frombuffer(b"".join(blocks), kind)


class _Plain:
    def __init__(self, blocks: Sequence[tuple[bytes, int]]) -> None:
        self._blocks = blocks

    def by_name(self, shares: Sequence[float], only: int | None) -> list[Counted]:
        durations: dict[int, list[int]] = {}
        errors: dict[int, int] = {}
        for raw, count in self._blocks:
            view = memoryview(raw)
            lengths, names = array("q"), array("I")
            lengths.frombytes(view[8 * count : 16 * count])
            names.frombytes(view[16 * count : 20 * count])
            for name, duration, status in zip(names, lengths, view[20 * count :], strict=True):
                if only is None or name == only:
                    durations.setdefault(name, []).append(duration)
                    errors[name] = errors.get(name, 0) + (status == _ERROR)
        return [
            Counted(
                name=name,
                spans=len(each),
                errors=errors[name],
                total_ns=sum(each),
                quantiles=_quantiles(sorted(each), shares),
            )
            for name, each in durations.items()
        ]


def _quantiles(ordered: Sequence[int], shares: Sequence[float]) -> list[float]:
    """Return quantiles by linear interpolation, as numpy does."""
    found: list[float] = []
    for share in shares:
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        found.append(ordered[low] + (ordered[high] - ordered[low]) * (place - low))
    return found
