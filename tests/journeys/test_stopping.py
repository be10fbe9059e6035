"""A server that is stopped by its user."""

from __future__ import annotations

import signal

import pytest

from holdfast.testing.upstream import Act, Exchange, Reply
from tests.journeys.cli import Project, stop
from tests.journeys.test_route_command import CHAT, NOWHERE, SETTINGS, ask, proxied, upstream


@pytest.mark.parametrize("command", ["proxy", "serve"])
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_who_stops_a_server_is_told_of_no_error(
    project: Project, command: str, how: signal.Signals, code: int
) -> None:
    with proxied(project, command) as (_, process):
        done = stop(process, how)
    assert (done.code, done.out, done.err) == (code, "", "")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_stopped_finishes_what_is_under_way_and_books_it(
    project: Project, how: signal.Signals
) -> None:
    with upstream() as desk:
        project.write("holdfast.toml", SETTINGS.format(desk=desk.url, cloud=NOWHERE))
        with proxied(project) as (address, process):

            def stop_it(_: Exchange) -> Act:
                process.send_signal(how)
                return Act(reply=Reply(text="Because."))

            desk.script(stop_it)
            status, _, _ = ask(address, CHAT)
            process.communicate(timeout=20)
        assert status == 200
    (logged,) = project.run("route", "requests", "--json").data["requests"]
    assert (logged["outcome"], logged["charged_msat"]) == ("ok", 20)
