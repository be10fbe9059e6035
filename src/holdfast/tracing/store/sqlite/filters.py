"""Say in SQL which traces a query means. `d` is the row of the digest."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.tracing.store.seam import Query
from holdfast.tracing.store.sqlite.loading import as_held
from holdfast.tracing.store.words import match_of

_EQUAL = {
    "trace_id": "d.trace",
    "name": "d.name",
    "workflow": "d.workflow",
    "session": "d.session",
    "user": "d.user",
    "release": "d.release",
}
_WITHIN = {
    "span": "EXISTS (SELECT 1 FROM name_uses u JOIN names n ON n.number = u.name "
    "WHERE u.trace = d.trace AND n.name = ?)",
    "model": "EXISTS (SELECT 1 FROM calls c WHERE c.trace = d.trace AND c.model = ?)",
    "error_class": "EXISTS (SELECT 1 FROM sightings s WHERE s.trace = d.trace AND s.class = ?)",
    "fingerprint": "EXISTS (SELECT 1 FROM sightings s WHERE s.trace = d.trace AND "
    "s.fingerprint = ?)",
}
_BOUNDS = {
    "since_ns": "d.start_ns >= ?",
    "until_ns": "d.start_ns < ?",
    "at_least_ns": "d.duration_ns >= ?",
}


def where(query: Query, *more: str) -> tuple[str, list[object]]:
    """Return a condition and its values; `more` are conditions without values."""
    conditions: list[str] = list(more)
    values: list[object] = []
    if query.status:
        conditions.append(f"d.status IN ({', '.join('?' * len(query.status))})")
        values += query.status
    for names in (_EQUAL, _WITHIN):
        for name, condition in names.items():
            wanted = getattr(query, name)
            if wanted:
                conditions.append(f"{condition} = ?" if names is _EQUAL else condition)
                values.append(as_held(wanted))
    for name, condition in _BOUNDS.items():
        if (bound := getattr(query, name)) is not None:
            conditions.append(condition)
            values.append(bound)
    if query.text.split():
        conditions.append("d.number IN (SELECT rowid FROM words WHERE words MATCH ?)")
        values.append(match_of(query.text))
    return " AND ".join(conditions) or "1", values


def marks(values: Sequence[object]) -> str:
    """Return a question mark a value."""
    return ", ".join("?" * len(values))
