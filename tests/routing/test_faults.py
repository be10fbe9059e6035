"""What a failed call says of an endpoint, fault by fault."""

from __future__ import annotations

import pytest

from holdfast.routing.faults import COUNTED, OF_THE_KEY, PASSED_OVER, Fault, fault_of_status


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (301, "malformed"), (308, "malformed"), (400, "caller"), (401, "auth"), (402, "payment"),
        (403, "forbidden"), (404, "model"), (405, "caller"), (408, "server"), (409, "caller"),
        (413, "caller"), (422, "caller"), (425, "server"), (429, "rate_limit"), (499, "caller"),
        (500, "server"), (501, "server"), (502, "server"), (503, "server"), (504, "server"),
        (529, "server"),
    ],
)  # fmt: skip
def test_each_status_says_one_thing(status: int, fault: str) -> None:
    assert fault_of_status(status) == fault


def test_another_endpoint_is_asked_unless_the_caller_is_to_blame() -> None:
    assert set(Fault) - PASSED_OVER == {Fault.CALLER, Fault.LEFT}


def test_only_faults_of_an_endpoint_open_its_circuit_and_two_are_of_its_key() -> None:
    of_the_endpoint = {
        "connect", "first_byte", "idle", "truncated", "server", "malformed", "in_band",
    }  # fmt: skip
    assert of_the_endpoint == COUNTED
    assert {"auth", "payment"} == OF_THE_KEY
