"""`holdfast route check` of a project that names a routing file of another program."""

from __future__ import annotations

from tests.journeys.cli import Project

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
