"""Two people keep their traces in one Postgres store, and each sees what both did."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.cli import COMMAND, Project
from tests.journeys.test_trace_command import DIGEST, SLOW, WAITING, trace
from tests.servers.postgres import PostgresServer
from tests.tracing.store.conftest import schemas_of

pytestmark = pytest.mark.service
SECRET = "hunter22"


@pytest.fixture
def team(postgres18: PostgresServer, tmp_path: Path) -> Iterator[list[Project]]:
    """Give two projects with the same store of traces; it has a password, which the server ignores."""
    for fresh in schemas_of(postgres18):
        address = fresh().replace("postgres@", f"postgres:{SECRET}@")
        projects = [Project(tmp_path / name) for name in ("ada", "bob")]
        for project in projects:
            project.write("digest.yaml", DIGEST)
            project.write("slow.yaml", SLOW)
            project.write("waiting.py", WAITING)
            project.write("holdfast.toml", f"[tracing]\nstore = {address!r}")
        yield projects


def test_a_team_sees_the_runs_of_all_its_machines(team: list[Project]) -> None:
    for project, text in zip(team, ("Kelp grips the rock.", "The sea moves."), strict=True):
        done = project.run("run", "digest.yaml", "-i", f"text={text}", "-q")
        assert done.code == 0, done.err
    for project in team:
        listed = trace(project, "list")["traces"]  # type: ignore[index]
        assert [each["name"] for each in listed] == ["digest", "digest"]
        for each in listed:
            shown = project.run("trace", "show", each["id"])
            assert "offline/extract" in shown.out
            assert "all 3 spans are shown" in shown.out
        prompts = "".join(
            project.run("trace", "show", each["id"], "--span", "offline/extract").out
            for each in listed
        )
        assert "Kelp grips the rock." in prompts
        assert "The sea moves." in prompts
        (row,) = trace(project, "cost", "--by", "workflow")["costs"]  # type: ignore[index]
        assert row["calls"] == 2
        counted = project.run(
            "trace", "sql", "SELECT count(*) AS spans FROM spans WHERE status = 'ok'"
        )
        assert counted.out.split() == ["spans", "6"]
        assert project.run("trace", "export", "parquet", "--out", "t.parquet").code == 0
    refused = team[0].run("trace", "sql", "DELETE FROM traces")
    assert refused.code == 2
    assert "cannot be answered" in refused.err
    assert team[1].run("trace", "forget", "--name", "digest").code == 0
    assert trace(team[0], "list") == {"traces": [], "cursor": None}


@pytest.mark.promise("traces-survive-kills")
def test_what_a_killed_run_left_open_arrives_as_lost(team: list[Project]) -> None:
    ada, bob = team
    victim = subprocess.Popen(
        [*COMMAND, "run", "slow.yaml", "-i", "file=x", "-q"], cwd=ada.folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not (ada.folder / "reached").exists():
        assert victim.poll() is None
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert ada.run("trace", "list").code == 0
    (killed,) = trace(bob, "list")["traces"]  # type: ignore[index]
    assert killed["status"] == "lost"
    spans = {each["name"]: each["status"] for each in trace(bob, "show", "last")["spans"]}  # type: ignore[index]
    assert spans == {"slow": "lost", "first": "ok", "offline/extract": "ok", "second": "lost"}
    (ada.folder / "go").touch()
    assert ada.run("resume", killed["id"], "-q").code == 0
    assert ada.run("trace", "list").code == 0
    (resumed,) = trace(bob, "list")["traces"]  # type: ignore[index]
    assert (resumed["id"], resumed["status"]) == (killed["id"], "ok")


def test_runs_go_on_without_the_server_and_no_output_holds_the_password(
    team: list[Project],
) -> None:
    (project, _) = team
    outputs = [project.run("trace", "state").out, project.run("trace", "list", "--json").out]
    away = f"postgres://me:{SECRET}@127.0.0.1:1/nowhere"
    environ = {"HOLDFAST_TRACING_STORE": away}
    ran = project.run("run", "digest.yaml", "-i", "text=Kelp.", **environ)
    assert ran.code == 0, ran.err
    refused = project.run("trace", "list", **environ)
    assert refused.code == 4
    assert "no connection to the store 'postgres://me@127.0.0.1:1/nowhere" in refused.err
    outputs += [ran.out, ran.err, refused.out, refused.err]
    outputs += [project.run("trace", "list", HOLDFAST_TRACING_STORE=f"my:{SECRET}@host").err]
    assert all(SECRET not in each for each in outputs)
    (kept,) = trace(project, "list")["traces"]  # type: ignore[index]
    assert kept["name"] == "digest"
