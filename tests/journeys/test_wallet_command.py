"""`holdfast wallet`, as somebody uses it who has just made a project."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.cli import Project, stop, wait_for_line
from tests.servers.process import free_port

SETTINGS = '[wallet]\nmints = ["{mint}"]\n'


@pytest.fixture
def project(tmp_path: Path, mint) -> Project:
    made = Project(tmp_path)
    made.write("holdfast.toml", SETTINGS.format(mint=mint.url))
    return made


@pytest.mark.service
def test_money_comes_in_goes_out_and_comes_back(project, mint):
    assert "300 sat came in" in project.run("wallet", "invoice", "300").out
    sent = project.run("wallet", "send", "100", "--json").data
    assert sent["token"].startswith("cashuB")
    assert project.run("wallet", "balance", "--json").data["sats"] == 199
    history = project.run("wallet", "history")
    assert "given" in history.out
    assert sent["token"] not in history.out + project.run("wallet", "history", "--json").out
    # From standard input, so that no history of a shell keeps it.
    again = project.run("wallet", "receive", stdin=sent["token"])
    assert (again.code, again.err.splitlines()[0]) == (
        2, "error: the token is in this wallet already",
    )  # fmt: skip
    assert "is back" in project.run("wallet", "reclaim", str(sent["id"])).out
    assert project.run("wallet", "check").out == "everything adds up\n"
    other = Project(project.folder / "other")
    other.write("holdfast.toml", SETTINGS.format(mint=mint.url))
    spent = other.run("wallet", "receive", "-", stdin=sent["token"])
    assert (spent.code, spent.err.splitlines()[0]) == (5, "error: the token was spent already")


@pytest.mark.service
def test_an_invoice_that_nobody_waited_for_is_claimed_later(project):
    asked = project.run("wallet", "invoice", "50", "--no-wait")
    assert asked.out.startswith("lnbc")
    assert project.run("wallet", "balance", "--json").data["sats"] == 0
    assert "(invoice) is done now" in project.run("wallet", "check").out
    assert project.run("wallet", "balance").out.startswith("50 sat\n")


@pytest.mark.service
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("send", "10"), "holds 0 sat at this mint, 10 sat are asked for"),
        (("send", "many"), "is no amount of sats"),
        (("send", "0"), "is no amount of sats"),
        (("invoice", "5", "--mint", "https://x.example"), "does not know the mint"),
        (("receive", "cashuBnonsense"), "this is no ecash token"),
        (("reclaim", "7"), "there is no operation 7"),
    ],
)
def test_mistakes_are_told_with_what_to_do_next(project, words, message):
    done = project.run("wallet", *words)
    assert done.code in (2, 5)
    assert message in done.err
    assert len(done.err.splitlines()) == 2


def test_a_mint_that_is_down_is_said_so(tmp_path):
    project = Project(tmp_path)
    url = f"http://127.0.0.1:{free_port()}"
    project.write("holdfast.toml", SETTINGS.format(mint=url))
    done = project.run("wallet", "invoice", "5")
    assert (done.code, f"the mint {url}: it cannot be reached" in done.err) == (5, True)


def test_a_project_without_a_mint_is_told_how_to_name_one(tmp_path):
    done = Project(tmp_path).run("wallet", "invoice", "5")
    assert done.code == 2
    assert 'mints = ["https://..."] below [wallet]' in done.err


@pytest.mark.parametrize(
    "words",
    ["invoice 5", "send 5", "receive cashuBnonsense", "reclaim 7", "accept https://n.example", "topup n"],
)  # fmt: skip
@pytest.mark.parametrize("settings", ["", SETTINGS])
def test_what_fails_before_there_is_a_wallet_leaves_nothing_behind(tmp_path, words, settings):
    project = Project(tmp_path)
    if settings:
        project.write("holdfast.toml", settings.format(mint=f"http://127.0.0.1:{free_port()}"))
    before = set(tmp_path.iterdir())
    assert project.run("wallet", *words.split()).code in (2, 5)
    assert set(tmp_path.iterdir()) == before


def test_without_the_extra_the_way_to_install_it_is_told(tmp_path):
    script = (
        "import sys; sys.modules['coincurve'] = None\n"
        "from holdfast.cli.main import main\n"
        "sys.exit(main(['wallet', 'invoice', '5']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'holdfast[ecash]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.service
def test_ctrl_c_while_waiting_for_a_payment_loses_nothing(project, unpaid_mint):
    project.write("holdfast.toml", SETTINGS.format(mint=unpaid_mint.url))
    waiting = project.start("wallet", "invoice", "40")
    wait_for_line(waiting, "waiting for the payment")
    done = stop(waiting, signal.SIGINT)
    assert (done.code, "Traceback" in done.err) == (130, False)
    (kept,) = project.run("wallet", "history", "--json").data["operations"]
    assert (kept["kind"], kept["phase"]) == ("invoice", "awaiting")


def test_nodes_are_shown_and_become_providers_only_when_they_are_accepted(tmp_path):
    from holdfast.clock import SystemClock
    from holdfast.routing.ecash.records import FoundNode
    from holdfast.routing.ecash.store import WalletStore

    project = Project(tmp_path)
    assert project.run("wallet", "nodes").out.startswith("no nodes are known")
    assert "nobody to ask" in project.run("wallet", "nodes", "--search").err
    url = f"http://127.0.0.1:{free_port()}/v1"
    store = WalletStore(tmp_path / ".holdfast" / "wallet.db", SystemClock())
    with store.change() as change:
        change.write_found(FoundNode(url=url, name="Desk", mints=("https://m",), source="relay"))
    store.close()
    assert url in project.run("wallet", "nodes").out
    assert "desk" not in project.run("route", "providers").out
    project.run("wallet", "accept", url, "--name", "desk", "--limit", "300")
    assert "desk" in project.run("route", "providers").out
    assert project.run("wallet", "nodes", "--json").data["nodes"][0]["limit_sats"] == 300
    project.run("wallet", "accept", url, "--never")
    assert "desk" not in project.run("route", "providers").out
