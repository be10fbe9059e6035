"""What `[routing.quality]` and policies say of quality, and how mistakes in it are told."""

from __future__ import annotations

import pytest

from holdfast.settings import load_settings
from tests.test_settings import problems, write

QUALITY = """
[routing.quality]
chooser = "learned"
min_quality = 0.9
alpha = 0.01
check_share = 0
prove_share = 1
judge = "checks:compare"
check_day_sats = 20
concurrent_checks = 2
min_evidence = 5
[routing.quality.complexity]
low = 0.2
high = 0.5
extra_keywords = ["prove"]
[routing.quality.complexity.weights]
code_blocks = 3
multi_file = 0
[routing.policies.json]
cascade = true
min_quality = 0.97
check = "checks:passes"
[routing.policies.fixed]
cascade = ["small", "large"]
"""


def test_what_is_said_of_quality_is_read(tmp_path):
    routing = load_settings(write(tmp_path, QUALITY), {}).routing
    rules = routing.quality
    assert (rules.chooser, rules.min_quality, rules.alpha) == ("learned", 0.9, 0.01)
    assert (rules.check_share, rules.prove_share, rules.judge) == (0.0, 1.0, "checks:compare")
    assert (rules.check_day_msat, rules.concurrent_checks, rules.min_evidence) == (20_000, 2, 5)
    assert (rules.complexity.low, rules.complexity.high) == (0.2, 0.5)
    assert rules.complexity.weights.values() == (1.0, 3.0, 0.0, 1.0, 1.0)
    checked, fixed = routing.policies
    assert (checked.cascade, checked.check) == (True, "checks:passes")
    assert fixed.cascade == ("small", "large")
    assert routing.learns
    assert not load_settings(write(tmp_path, "[routing]\nrounds = 2\n"), {}).routing.learns


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[routing.quality]\nchooser = "lerned"', "did you mean 'learned'?"),
        ('[routing.quality]\njudge = "agrement"', "did you mean 'agreement'?"),
        ('[routing.quality]\njudge = "model"\nalpha = 1', "alpha is a probability"),
        ('[routing.quality]\njudge = "validity"\njudge_model = "m"', "is not asked while judge"),
        ("[routing.quality]\nprove_share = 1.5", "must be a share from 0 to 1"),
        ("[routing.quality]\nproove_share = 0.5", "did you mean 'prove_share'?"),
        ("[routing.quality.complexity]\nlow = 0.8", "must not be above high, which is 0.7"),
        ("[routing.quality.complexity.weights]\ncode_blocks = -1", "must be a number, at least 0"),
        ("[routing.quality.complexity.weights]\ncode = 1", "unknown key"),
        ('[routing.policies.p]\ncascade = ["one"]', "at least two different models"),
        ('[routing.policies.p]\ncascade = "yes"', "must be true, false, or a list of models"),
        ('[routing.policies.p]\ncheck = "checks"', "as 'package.module:function'"),
        (
            '[routing.policies.p]\nmin_quality = 0.9\ncascade = ["a", "b"]',
            "write cascade = true beside min_quality",
        ),
    ],
)
def test_mistakes_about_quality_say_what_to_write(tmp_path, text, told):
    assert told in problems(tmp_path, text)
