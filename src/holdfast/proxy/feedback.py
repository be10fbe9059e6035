"""What users say of answers, and what is known of models from all that was said."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Final

from holdfast.routing.checking.checker import Checker
from holdfast.routing.checking.reporting import Floors, contests_data
from holdfast.routing.dialects.seam import Document, Object
from holdfast.web.http import Refused

_ID: Final = re.compile(r"[0-9a-f]{32}")


class Feedback:
    """Hears what users say, and tells what is known."""

    def __init__(self, checker: Checker | None, floors: Floors) -> None:
        self._checker = checker
        self._floors = floors

    async def hear(self, body: Object) -> Document:
        """Take in `{"request_id": "...", "good": true}` and say what it changed.

        Raises:
            Refused: 400 for a body that says something else, 404 if nobody knows the request.
        """
        request, good = body.get("request_id"), body.get("good")
        if not isinstance(request, str) or not _ID.fullmatch(request):
            raise Refused(400, "request_id must be what x-holdfast-request-id said")
        if not isinstance(good, bool):
            raise Refused(400, "good must be true or false")
        heard = await self._there().hear(request, good=good)
        if heard is None:
            raise Refused(
                404,
                "no such request is known: only the newest that asked for the model 'auto' are",
            )
        return {
            "request_id": request,
            "model": heard.model,
            "good": good,
            "corrected": heard.corrected,
        }

    async def known(self) -> Document:
        """Return every comparison, and what came of the checks of this process.

        Raises:
            Refused: 404 where nothing asks for quality.
        """
        checker = self._there()
        await checker.kept.refresh()
        return {
            "comparisons": contests_data(checker.kept.learned, self._floors),
            "checks": asdict(checker.counts),
        }

    def _there(self) -> Checker:
        if self._checker is None:
            raise Refused(404, "no policy asks for min_quality or a cascade: see [routing.quality]")
        return self._checker
