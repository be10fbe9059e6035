"""Say numbers of traces as people do."""

from __future__ import annotations


def took(nanoseconds: float) -> str:
    """Return a length of time: `812 us`, `4.2 ms`, `1.24 s`, `3 m 20 s`, `2 h 5 m`."""
    if nanoseconds < 1e6:
        return f"{nanoseconds / 1e3:.0f} us"
    if nanoseconds < 1e9:
        return f"{nanoseconds / 1e6:.1f} ms" if nanoseconds < 1e7 else f"{nanoseconds / 1e6:.0f} ms"
    whole = round(nanoseconds / 1e9)
    if whole < 60:
        return f"{nanoseconds / 1e9:.2f} s" if nanoseconds < 1e10 else f"{nanoseconds / 1e9:.1f} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} m"


def percent(part: float, whole: float) -> str:
    """Return a share in per cent, `<1 %` for what is not quite nothing."""
    share = part / whole * 100 if whole else 0.0
    return "<1 %" if 0 < share < 0.5 else f"{share:.0f} %"


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: `1 span`, `1,200 spans`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def sats(msat: int) -> str:
    """Return an amount of money: `0 sat`, `1.234 sat`, `12,000 sat`."""
    return f"{msat / 1000:,.3f}".rstrip("0").rstrip(".") + " sat"


def listed(names: list[str], most: int = 4) -> str:
    """Return names in a row, the first few of many."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
