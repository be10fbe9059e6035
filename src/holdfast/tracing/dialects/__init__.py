"""What spans mean, whichever convention wrote them: one file a convention, the earlier one first."""

from __future__ import annotations

from holdfast.tracing.dialects.reading import meaning_of

__all__ = ["meaning_of"]
