"""Where settings come from, which one wins, and that all mistakes are shown at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.errors import SettingsError
from holdfast.routing.config import Timeouts
from holdfast.routing.seam import Price
from holdfast.settings import load_settings

FULL = """
store = "sqlite:data/h.db"
ack = "os"
model = "gpt-4o-mini"
[engine]
lease_seconds = 7.5
concurrency = 3
[providers.openai]
base_url = "https://api.openai.com/v1/"
api_key = "${OPENAI_API_KEY}"
structured_output = "json_schema"
timeouts = { connect = 1, idle = 2.5 }
[providers.openai.models."gpt-4o-mini"]
input_sats_per_million = 150
output_sats_per_million = 600.125
[providers.openai.models.gpt-x]
[providers.local]
base_url = "http://localhost:8080/v1"
models = ["a", "b"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "holdfast.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str, environ: dict[str, str] | None = None, **overrides) -> str:
    write(folder, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(folder, environ or {}, **overrides)
    return caught.value.message


def test_without_a_file_there_are_defaults(tmp_path):
    settings = load_settings(tmp_path, {})
    assert settings.root == tmp_path
    assert settings.file is None
    assert settings.store == f"files:{tmp_path}/.holdfast"
    assert (settings.ack, settings.model) == ("disk", None)
    assert (settings.lease_seconds, settings.concurrency) == (15.0, 40)
    assert settings.providers == settings.warnings == ()


def test_a_file_is_found_from_a_folder_below_it_and_read_whole(tmp_path):
    path = write(tmp_path, FULL)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    settings = load_settings(below, {"OPENAI_API_KEY": "sk-1"})
    assert (settings.root, settings.file) == (tmp_path, path)
    assert settings.store == f"sqlite:{tmp_path}/data/h.db"
    assert (settings.ack, settings.model) == ("os", "gpt-4o-mini")
    assert (settings.lease_seconds, settings.concurrency) == (7.5, 3)
    openai, local = settings.providers
    assert (openai.name, openai.base_url) == ("openai", "https://api.openai.com/v1")
    assert (openai.api_key, openai.key_variable) == ("sk-1", "OPENAI_API_KEY")
    assert openai.models == {
        "gpt-4o-mini": Price(input_msat_per_million=150_000, output_msat_per_million=600_125),
        "gpt-x": None,
    }
    assert openai.structured_output == "json_schema"
    assert openai.timeouts == Timeouts(connect=1, idle=2.5)
    assert local.models == {"a": None, "b": None}
    assert (local.api_key, local.structured_output) == (None, "auto")
    assert settings.warnings == ()


def test_the_environment_may_say_where_traces_are_kept(tmp_path):
    (tmp_path / "holdfast.toml").write_text('[tracing]\nstore = "sqlite:t.db"\nrelease = "v1"')
    environ = {"HOLDFAST_TRACING_STORE": "postgres://ada:secret@host/team"}
    settings = load_settings(tmp_path, environ)
    assert settings.tracing.store == "postgres://ada:secret@host/team"
    assert (settings.tracing.release, settings.warnings) == ("v1", ())
    assert load_settings(tmp_path, {"HOLDFAST_TRACING_STORE": ""}).tracing.store == "sqlite:t.db"
    (tmp_path / "holdfast.toml").unlink()
    relative = load_settings(tmp_path, {"HOLDFAST_TRACING_STORE": "sqlite:x.db"})
    assert relative.tracing.store == f"sqlite:{tmp_path}/x.db"


def test_the_caller_wins_over_the_environment_and_that_over_the_file(tmp_path):
    write(tmp_path, FULL)
    environ = {"HOLDFAST_MODEL": "env", "HOLDFAST_ACK": "memory", "HOLDFAST_CONCURRENCY": "9"}
    settings = load_settings(tmp_path, environ, model="arg", ack=None)
    assert (settings.model, settings.ack, settings.concurrency) == ("arg", "memory", 9)
    assert settings.lease_seconds == 7.5


def test_a_relative_store_begins_where_it_was_written(tmp_path):
    write(tmp_path, FULL)
    below = tmp_path / "sub"
    below.mkdir()
    environ = {"HOLDFAST_STORE": "sqlite:e.db"}
    assert load_settings(below, {}).store == f"sqlite:{tmp_path}/data/h.db"
    assert load_settings(below, environ).store == f"sqlite:{below}/e.db"
    assert load_settings(below, environ, store="sqlite:a.db").store == f"sqlite:{below}/a.db"
    assert load_settings(below, {}, store="sqlite:/abs/a.db").store == "sqlite:/abs/a.db"
    assert load_settings(below, {}, store="memory://").store == "memory://"


def test_an_unset_key_variable_is_no_error_yet(tmp_path):
    write(tmp_path, FULL)
    for environ in ({}, {"OPENAI_API_KEY": " "}):
        provider = load_settings(tmp_path, environ).providers[0]
        assert (provider.api_key, provider.key_variable) == (None, "OPENAI_API_KEY")


def test_a_key_that_no_table_names_is_that_of_the_usual_variable(tmp_path):
    write(tmp_path, '[providers.my-box]\nbase_url = "http://far.example/v1"\n')
    settings = load_settings(tmp_path, {"HOLDFAST_MY_BOX_API_KEY": "sk-usual"})
    (provider,) = settings.providers
    assert (provider.api_key, provider.key_variable) == ("sk-usual", "HOLDFAST_MY_BOX_API_KEY")
    assert [each for each in settings.warnings if "unencrypted" not in each] == []
    assert "sk-usual" not in repr(settings)
    (provider,) = load_settings(tmp_path, {}).providers
    assert (provider.api_key, provider.key_variable) == (None, None)


def test_a_key_in_the_file_works_with_a_warning_and_is_never_shown(tmp_path):
    write(tmp_path, '[providers.p]\nbase_url = "http://far.example/v1"\napi_key = "sk-secret"\n')
    settings = load_settings(tmp_path, {})
    assert settings.providers[0].api_key == "sk-secret"
    told = " ".join(settings.warnings)
    assert "written in the file" in told
    assert "unencrypted" in told
    assert "sk-secret" not in repr(settings) + str(settings)


def test_all_mistakes_are_shown_at_once_with_their_keys(tmp_path):
    message = problems(
        tmp_path,
        """
stor = "x"
ack = "dsk"
[engine]
lease_secnds = 1
concurrency = 0
[providers.offline]
base_url = "https://x.example/v1"
[providers.p]
base_ur = "https://x.example"
structured_output = "yes"
api_key = "x${KEY}"
[providers.p.models.m]
input_sats_per_million = 1.2345
[providers.p.models.n]
output_sats_per_million = 1
[providers.p.timeouts]
idle = -1
[providers.q]
base_url = "https://user:hidden@x.example/v1"
api_key = 5
models = 3
""",
        {"HOLDFAST_LEASE_SECONDS": "soon"},
        concurrency="many",
        colour="red",
    )
    for part in (
        "19 problems",
        f"{tmp_path}/holdfast.toml:2: stor: unknown key; did you mean 'store'?",
        "ack: must be one of 'memory', 'os', 'disk'; did you mean 'disk'?",
        "engine.lease_secnds: unknown key; did you mean 'lease_seconds'?",
        "engine.concurrency: must be a whole number",
        "providers.offline: this name is taken",
        "providers.p.base_ur: unknown key; did you mean 'base_url'?",
        "providers.p.base_url: is missing",
        "providers.p.structured_output: must be one of",
        "providers.p.api_key: must be '${NAME}'",
        "providers.p.models.m.input_sats_per_million: is no whole number of msat",
        "providers.p.models.m: give the prices of input and",
        "providers.p.models.n: give the prices of input and",
        "providers.p.timeouts.idle: must be a number of seconds",
        "providers.q.base_url: must hold no user",
        "providers.q.api_key: must be a text",
        "providers.q.models: must be a table",
        "environment: HOLDFAST_LEASE_SECONDS: must be a number",
        "arguments: concurrency: must be a number",
        "arguments: colour: unknown key",
    ):
        assert part in message
    assert "hidden" not in message
    assert "x${KEY}" not in message


@pytest.mark.parametrize("number", ["nan", "inf", "1e999999", "true", '"1"', "-1", "[1]"])
def test_a_price_that_is_no_sensible_number_is_refused(tmp_path, number):
    text = f"""[providers.p]
base_url = "https://x.example/v1"
models.m = {{ input_sats_per_million = {number}, output_sats_per_million = 1 }}
"""
    assert "providers.p.models.m.input_sats_per_million: must be" in problems(tmp_path, text)


def test_a_file_that_is_no_toml_or_no_text_is_named(tmp_path):
    assert "holdfast.toml is not valid TOML" in problems(tmp_path, "store = ")
    (tmp_path / "holdfast.toml").write_bytes(b"store = '\xff'")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings(tmp_path, {})


def test_a_file_from_windows_is_read(tmp_path):
    (tmp_path / "holdfast.toml").write_bytes(b"\xef\xbb\xbfmodel = 'm'\r\nack = 'os'\r\n")
    assert load_settings(tmp_path, {}).model == "m"


def test_a_mistyped_variable_is_a_warning_with_a_suggestion(tmp_path):
    settings = load_settings(tmp_path, {"HOLDFAST_MODLE": "x", "HOLDFAST_ZZZZZZZZZ": "y"})
    assert len(settings.warnings) == 1
    assert "HOLDFAST_MODLE is not known; did you mean 'HOLDFAST_MODEL'" in settings.warnings[0]


def test_the_process_environment_and_folder_are_the_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_MODEL", "from-environment")
    settings = load_settings()
    assert (settings.root, settings.model) == (tmp_path, "from-environment")


def test_importing_the_settings_is_cheap():
    code = "import sys, holdfast.settings; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"pydantic", "aiohttp", "tomllib", "yaml", "asyncio", "difflib"}


def test_what_is_traced_and_what_money_is_worth_can_be_set(tmp_path):
    write(
        tmp_path,
        """
[tracing]
store = "sqlite:team/traces.db"
payloads = "previews"
redact_keys = ["iban"]
redact_patterns = ["K-[0-9]+"]
redact_hook = "ours.privacy:mask"
keep_days = 30
keep_payload_days = 7.5
keep_mib = 512
release = "v2"
opentelemetry = true
[money]
currency = "eur"
bitcoin = { 2026-11-01 = 81000, 2026-11-20 = 79500.5 }
""",
    )
    settings = load_settings(tmp_path, {})
    tracing, money = settings.tracing, settings.money
    assert (tracing.store, tracing.payloads) == ("sqlite:team/traces.db", "previews")
    assert (tracing.keep_days, tracing.keep_payload_days, tracing.keep_mib) == (30, 7.5, 512)
    assert (tracing.redact_keys, tracing.redact_patterns) == (("iban",), ("K-[0-9]+",))
    assert tracing.opentelemetry is True
    assert (tracing.redact_hook, tracing.release) == ("ours.privacy:mask", "v2")
    assert money.currency == "EUR"
    assert {day: str(rate) for day, rate in money.rates.items()} == {
        "2026-11-01": "81000",
        "2026-11-20": "79500.5",
    }


def test_mistakes_about_tracing_and_money_are_shown_with_their_keys(tmp_path):
    message = problems(
        tmp_path,
        """
[tracing]
payloads = "some"
redact_patterns = ["("]
redact_hook = "no function"
keep_days = 0
opentelemetry = "yes"
keepdays = 3
[money]
bitcoin = { soon = 3, 2026-01-01 = -1 }
""",
    )
    for said in (
        "tracing.payloads: must be one of 'full', 'previews', 'off'",
        "tracing.redact_patterns: '(' is no regular expression",
        "tracing.redact_hook: must name a function as 'module:function'",
        "tracing.keep_days: must be a number of days greater than 0",
        "tracing.opentelemetry: must be true or false",
        "tracing.keepdays: unknown key; did you mean 'keep_days'?",
        "money.bitcoin: 'soon' must be a day such as '2026-11-26'",
    ):
        assert said in message
    others = problems(tmp_path, "[money.bitcoin_in]\ndollars = { 2026-01-01 = 5 }\nUSD = 3\n")
    assert "money.bitcoin_in.dollars: must be the code of a currency" in others
    assert "money.bitcoin_in.USD: must be a table" in others
    assert "money.currency: is missing" in others
    rates = problems(tmp_path, "[money]\nbitcoin = { 2026-01-01 = 5 }\n")
    assert "money.currency: is missing" in rates


@pytest.mark.parametrize("amount", ["1e-999999999", "1e999999999", "1e-31"])
def test_an_amount_beyond_all_sense_is_refused_at_once(tmp_path, amount):
    told = problems(
        tmp_path,
        f"[routing]\nwait_seconds = {amount}\n[money]\ncurrency = 'EUR'\n"
        f"bitcoin = {{ 2026-01-01 = {amount} }}\n",
    )
    assert told.count("must be a number of a sensible size") == 2


def test_the_ledger_is_as_safe_as_was_said_of_the_store_and_survives_kills_otherwise(tmp_path):
    assert load_settings(tmp_path, {}).ledger_ack == "os"
    assert load_settings(tmp_path, {"HOLDFAST_ACK": "disk"}).ledger_ack == "disk"
    assert load_settings(tmp_path, {}, ack="memory").ledger_ack == "memory"
