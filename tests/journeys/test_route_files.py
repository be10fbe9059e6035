"""What `holdfast route` reads beside the settings: a file in arbstr's shape, and what was learned."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.journeys.cli import Project
from tests.journeys.test_route_command import ASK, upstream

ARBSTR = """[[providers]]
name = "plain"
url = "http://127.0.0.1:9/v1"
models = ["m"]
[[providers]]
name = "far.off"
url = "http://127.0.0.1:9/v1"
models = ["m"]
api_key = "${FAR_KEY}"

[[policies.rules]]
name = "fine"
[[policies.rules]]
name = "süß"
allowed_models = [
  "n",
]
"""


def test_check_tells_problems_of_a_file_in_the_shape_of_arbstrs_with_its_lines(
    project: Project,
) -> None:
    project.write("arbstr.toml", ARBSTR)
    mine = '[routing]\nfile = "arbstr.toml"\n[routing.policies.mine]\nmodels = ["o"]\n'
    project.write("holdfast.toml", mine)
    done = project.run("route", "check", FAR_KEY="")
    assert done.code == 2
    told = [line for line in done.out.splitlines() if line.startswith("problem: ")]
    at = f"problem: {project.folder}"
    assert told == [
        f"{at}/arbstr.toml:9: providers[1].api_key: provider 'far.off': the variable FAR_KEY is not set",
        f"{at}/holdfast.toml:4: routing.policies.mine.models: policy 'mine': no provider has the model 'o'",
        f"{at}/arbstr.toml:15: policies.rules[1].allowed_models: policy 'süß': no provider has the model 'n'",
    ]
    assert "set FAR_KEY where Holdfast is started" in done.out


def test_what_was_learned_of_an_endpoint_is_shown(project: Project) -> None:
    url = "http://127.0.0.1:9/v1"
    project.write("holdfast.toml", f'[providers.node]\nbase_url = "{url}"\nmodels = ["m", "n"]\n')
    known = {"provider": "node", "address": url, "model": "m", "usage": False}
    until_ms = round(time.time() * 1000) + 3_590_000
    habits = [known | {"left_out": ["top_p", "temperature"], "until_ms": until_ms}]
    project.write(".holdfast/habits.json", json.dumps({"version": 1, "habits": habits}))

    done = project.run("route", "providers")
    assert re.search(
        r"^  m is asked without temperature, top_p, stream_options, \d+ min \d\d s more$",
        done.out,
        re.MULTILINE,
    )
    assert done.out.count("is asked without") == 1
    (row,) = [
        line for line in project.run("route", "explain", "m").out.splitlines() if "node/m" in line
    ]
    assert row.endswith("asked after those whose price is known; asked without temperature, top_p")
    assert "asked without" not in project.run("route", "explain", "n").out


@pytest.mark.parametrize("mended", [{"CLOUD_KEY": "a-key"}, {}], ids=["a key", "none needed"])
def test_who_had_no_key_is_asked_at_once_when_that_is_mended(
    project: Project, mended: dict[str, str]
) -> None:
    project.write("ask.yaml", ASK)
    with upstream() as cloud:
        table = (
            f'model = "small"\n[providers.cloud]\nbase_url = "{cloud.url}"\nmodels = ["small"]\n'
        )
        project.write("holdfast.toml", f'{table}api_key = "${{CLOUD_KEY}}"\n')
        refused = project.run("run", "ask.yaml")
        assert "the environment variable CLOUD_KEY is not set" in refused.err
        if not mended:
            project.write("holdfast.toml", table)
        assert project.run("run", "ask.yaml", **mended).code == 0
