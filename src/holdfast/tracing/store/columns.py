"""Exact statistics over the columns of packs: with numpy where it is, else without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from holdfast.tracing.store.packing import (
    DURATIONS,
    NAMES,
    STATUS,
    STATUSES,
    Pack,
    columns_of,
    planes_of,
)
from holdfast.tracing.store.planes import whole

_ERROR = STATUSES.index("error")
_EMPTY = b"\0"
"""A plane of zeros."""


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


def gather(packs: Sequence[Pack]) -> Gathered:
    """Return the columns of packs, of whose bodies nothing is read."""
    try:
        import numpy  # noqa: PLC0415 - heavy, and an extra
    except ImportError:
        return _Plain(packs)
    return _Numpy(packs, numpy)


class _Numpy:
    def __init__(self, packs: Sequence[Pack], np: Any) -> None:
        self._np = np
        self._sizes = [each.size for each in packs]
        planes = list(zip(*map(planes_of, packs), strict=True)) or [()] * (STATUS + 1)
        self._durations = self._joined(planes[DURATIONS]).view("<i8").ravel()
        self._names = self._joined(planes[NAMES]).view("<u4").ravel()
        self._failed = self._plane(planes[STATUS]) == _ERROR

    def by_name(self, shares: Sequence[float], only: int | None) -> list[Counted]:
        np = self._np
        if not len(self._names):
            return []
        top = int(self._names.max())
        small = self._names.astype(np.uint16) if top < 1 << 16 else self._names
        order = np.argsort(small, kind="stable")  # by radix for 16 bits
        names, durations, failed = small[order], self._durations[order], self._failed[order]
        bounds = (np.flatnonzero(np.diff(names)) + 1).tolist()
        return [
            self._counted(int(names[start]), durations[start:end], failed[start:end], shares)
            for start, end in zip([0, *bounds], [*bounds, len(names)], strict=True)
            if only is None or int(names[start]) == only
        ]

    def _counted(self, name: int, durations: Any, failed: Any, shares: Sequence[float]) -> Counted:
        return Counted(
            name=name,
            spans=len(durations),
            errors=int(self._np.count_nonzero(failed)),
            total_ns=int(durations.sum()),
            quantiles=_quantiles(self._np.sort(durations), shares),
        )

    def _joined(self, planes: Sequence[Sequence[bytes]]) -> Any:
        """Return the bytes of numbers, those of each together."""
        joined = self._np.zeros((sum(self._sizes), len(planes)), "u1")
        for place, some in enumerate(planes):
            if any(each != _EMPTY for each in some):
                joined[:, place] = self._plane(some)
        return joined

    def _plane(self, some: Sequence[bytes]) -> Any:
        return self._np.frombuffer(b"".join(map(whole, some, self._sizes)), "u1")


class _Plain:
    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = packs

    def by_name(self, shares: Sequence[float], only: int | None) -> list[Counted]:
        durations: dict[int, list[int]] = {}
        errors: dict[int, int] = {}
        for held in self._packs:
            columns = columns_of(held)
            for duration, name, status in zip(*columns, strict=True):
                if only is None or name == only:
                    durations.setdefault(name, []).append(duration)
                    if status == _ERROR:
                        errors[name] = errors.get(name, 0) + 1
        return [
            Counted(
                name=name,
                spans=len(each),
                errors=errors.get(name, 0),
                total_ns=sum(each),
                quantiles=_quantiles(sorted(each), shares),
            )
            for name, each in durations.items()
        ]


def _quantiles(ordered: Sequence[int], shares: Sequence[float]) -> list[float]:
    """Return quantiles by linear interpolation."""
    found: list[float] = []
    for share in shares:
        place = share * (len(ordered) - 1)
        low = int(place)
        below, above = int(ordered[low]), int(ordered[min(low + 1, len(ordered) - 1)])
        found.append(below + (above - below) * (place - low))
    return found
