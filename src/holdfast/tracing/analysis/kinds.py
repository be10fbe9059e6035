"""Tell what a span of Holdfast's own kinds means."""

from __future__ import annotations

from typing import cast, get_args

from holdfast.tracing.meaning import Meaning, Role
from holdfast.tracing.span import Span

_ROLES = frozenset(get_args(Role))


def meaning_of(span: Span) -> Meaning:
    """Return what a span means by its kind alone."""
    return Meaning(role=cast("Role", span.kind) if span.kind in _ROLES else "other")
