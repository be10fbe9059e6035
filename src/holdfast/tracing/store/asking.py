"""What holds for asking any store of traces in SQL."""

from __future__ import annotations

MOST_SECONDS = 30.0
HINT = "one SELECT over the views traces, spans, calls, errors and names"
