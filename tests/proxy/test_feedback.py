"""What is no word of a user on an answer is refused before anybody is asked."""

from __future__ import annotations

import pytest

from holdfast.proxy.feedback import Feedback
from holdfast.routing.checking.reporting import floors_of
from holdfast.routing.config import RoutingConfig
from holdfast.web.http import Refused

ID = "0123456789abcdef" * 2


async def refused(body: dict[str, object]) -> int:
    """Return what a word is refused with where nobody keeps what users say."""
    with pytest.raises(Refused) as caught:
        await Feedback(None, floors_of(RoutingConfig())).hear(body)
    return caught.value.status


@pytest.mark.parametrize("said", [None, 7, "", ID[:31], f"{ID}0", f"{ID}\n", ID.upper(), "g" * 32])
async def test_a_request_is_named_by_its_whole_id(said: object) -> None:
    assert await refused({"request_id": said, "good": True}) == 400
    assert await refused({"request_id": ID, "good": True}) == 404


@pytest.mark.parametrize("good", [None, 1, 0, "true", [True]])
async def test_an_answer_is_good_or_it_is_not(good: object) -> None:
    assert await refused({"request_id": ID, "good": good}) == 400
