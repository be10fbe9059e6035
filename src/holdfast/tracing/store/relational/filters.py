"""Say in SQL which traces a query means. `d` is the row of the digest."""

from __future__ import annotations

from holdfast.tracing.store.relational.database import Dialect
from holdfast.tracing.store.relational.texts import as_held, as_label, clean
from holdfast.tracing.store.seam import Query

TRUE = "1 = 1"
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
    "model": "EXISTS (SELECT 1 FROM calls c WHERE c.trace = d.trace AND "
    "? IN (c.model, c.provider || '/' || c.model))",
    "error_class": "EXISTS (SELECT 1 FROM sightings s WHERE s.trace = d.trace AND s.class = ?)",
    "fingerprint": "EXISTS (SELECT 1 FROM sightings s WHERE s.trace = d.trace AND "
    "s.fingerprint = ?)",
}
_HELD = {"span": as_held, "release": as_label, "fingerprint": as_label}
_BOUNDS = {
    "since_ns": "d.start_ns >= ?",
    "until_ns": "d.start_ns < ?",
    "at_least_ns": "d.duration_ns >= ?",
}


def where(query: Query, dialect: Dialect) -> tuple[str, list[object]]:
    """Return a condition and its values."""
    conditions: list[str] = []
    values: list[object] = []
    if query.status:
        conditions.append(f"d.status IN ({', '.join('?' * len(query.status))})")
        values += query.status
    for names in (_EQUAL, _WITHIN):
        for name, condition in names.items():
            wanted = getattr(query, name)
            if wanted:
                conditions.append(f"{condition} = ?" if names is _EQUAL else condition)
                values.append(_HELD.get(name, clean)(wanted))
    for name, condition in _BOUNDS.items():
        if (bound := getattr(query, name)) is not None:
            conditions.append(condition)
            values.append(bound)
    if query.text.split():
        conditions.append(f"d.number IN (SELECT rowid FROM words WHERE {dialect.matches})")  # noqa: S608
        values.append(dialect.match_of(query.text))
    return " AND ".join(conditions) or TRUE, values
