"""Files that hold keys, and files in the shape of arbstr's."""

from __future__ import annotations

import sys

import pytest

from holdfast.errors import SettingsError
from holdfast.routing.seam import Price
from holdfast.settings import load_settings
from tests.test_settings import FULL, problems, write

ARBSTR = """
[server]
listen = "127.0.0.1:8080"
[[providers]]
name = "provider-alpha"
url = "https://alpha.example/v1"
models = ["gpt-4o", "small"]
input_rate = 10
output_rate = 30.5
base_fee = 1
tier = "frontier"
[[providers]]
name = "anything"
url = "http://localhost:8081/v1"
[policies]
default_strategy = "lowest_latency"
[[policies.rules]]
name = "code"
allowed_models = ["small"]
strategy = "lowest_cost"
max_sats_per_1m_output = 50
keywords = ["function", "code"]
"""


def test_a_routing_file_in_the_shape_of_arbstrs_is_read_as_it_is(tmp_path):
    (tmp_path / "arbstr.toml").write_text(ARBSTR)
    write(
        tmp_path, '[routing]\nfile = "arbstr.toml"\n[providers.own]\nbase_url = "http://[::1]/v1"\n'
    )
    settings = load_settings(tmp_path, {"ARBSTR_PROVIDER_ALPHA_API_KEY": "sk-alpha"})
    own, alpha, anything = settings.providers
    assert (own.name, anything.name, dict(anything.models)) == ("own", "anything", {})
    assert (alpha.api_key, alpha.key_variable) == ("sk-alpha", "ARBSTR_PROVIDER_ALPHA_API_KEY")
    price = Price(input_msat_per_million=10_000, output_msat_per_million=30_500, request_msat=1000)
    assert (dict(alpha.models), alpha.tier) == ({"gpt-4o": price, "small": price}, "frontier")
    assert settings.routing.strategy == "fastest"
    (rule,) = settings.routing.policies
    assert (rule.name, rule.models, rule.strategy) == ("code", ("small",), "cheapest")
    assert (rule.most_output_msat, rule.keywords) == (50_000, ("function", "code"))
    assert any("[server] is not used" in each for each in settings.warnings)


def test_half_a_price_in_such_a_file_is_an_unknown_one_and_never_free(tmp_path):
    (tmp_path / "arbstr.toml").write_text(ARBSTR.replace("output_rate = 30.5\n", ""))
    write(tmp_path, '[routing]\nfile = "arbstr.toml"\n')
    alpha, _ = load_settings(tmp_path, {}).providers
    assert dict(alpha.models) == {"gpt-4o": None, "small": None}


def test_what_the_project_says_itself_comes_before_a_routing_file(tmp_path):
    (tmp_path / "arbstr.toml").write_text(ARBSTR)
    write(tmp_path, '[routing]\nfile = "arbstr.toml"\nstrategy = "balanced"\n')
    assert load_settings(tmp_path, {}).routing.strategy == "balanced"


def test_mistakes_in_a_routing_file_are_told_with_its_name_and_place(tmp_path):
    (tmp_path / "arbstr.toml").write_text(
        ARBSTR.replace("input_rate", "input_rat").replace('"lowest_latency"', '"cheap"')
    )
    twice = '[providers.anything]\nbase_url = "http://localhost/v1"\n'
    message = problems(tmp_path, f'[routing]\nfile = "arbstr.toml"\n{twice}')
    assert (
        "arbstr.toml:8: providers[0].input_rat: unknown key; did you mean 'input_rate'?" in message
    )
    assert "arbstr.toml:16: policies.default_strategy: must be one of 'lowest_cost'" in message
    assert "routing.file: its provider 'anything' is in another table too" in message
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(write(tmp_path, '[routing]\nfile = "gone.toml"\n'), {})


OLD_ARBSTR = ARBSTR.replace("max_sats_per_1m_output", "max_sats_per_1k_output")


def test_an_older_routing_file_counts_for_a_thousand_tokens_if_the_project_says_so(tmp_path):
    (tmp_path / "arbstr.toml").write_text(OLD_ARBSTR.replace("lowest_latency", "cheapest"))
    said = '[routing]\nfile = "arbstr.toml"\n'
    write(tmp_path, f'{said}file_rates_per = "1k"\n')
    settings = load_settings(tmp_path, {})
    assert settings.providers[0].models["small"] == Price(
        input_msat_per_million=10_000_000, output_msat_per_million=30_500_000, request_msat=1000
    )
    assert settings.routing.policies[0].most_output_msat == 50_000_000
    assert settings.routing.strategy == "cheapest"
    message = problems(tmp_path, said)
    assert "policies.rules[0].max_sats_per_1k_output: counts for a thousand tokens" in message
    write(tmp_path, f'{said}file_rates_per = "million"\n')
    settings = load_settings(tmp_path, {})
    assert settings.providers[0].models["small"].input_msat_per_million == 10_000
    assert settings.routing.policies[0].most_output_msat == 50_000_000
    assert "name a file" in problems(tmp_path, '[routing]\nfile_rates_per = "1k"\n')


TWO_KEYS = """
[providers.one]
base_url = "https://one.example/v1"
api_key = "sk-one"
[providers.two]
base_url = "https://two.example/v1"
api_key = "sk-two"
"""
AWS = """
[providers.aws]
kind = "litellm"
prefix = "bedrock"
options = { aws_secret_access_key = "sk-aws" }
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a mode says nothing of others there")
@pytest.mark.parametrize("text", [TWO_KEYS, AWS])
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o610])
def test_a_file_with_a_key_that_others_may_read_is_warned_of_once(tmp_path, text, mode):
    path = write(tmp_path, text)
    path.chmod(mode)
    told = [each for each in load_settings(tmp_path, {}).warnings if "chmod" in each]
    where = f"{path}: holds a key and is open to other users of this machine (mode {mode:04o})"
    assert told == [f"{where}: run `chmod 600 {path}`"]
    path.chmod(0o600)
    assert not any("chmod" in each for each in load_settings(tmp_path, {}).warnings)


@pytest.mark.skipif(sys.platform == "win32", reason="a mode says nothing of others there")
def test_the_mode_of_a_file_without_a_key_is_nobodys_concern(tmp_path):
    write(tmp_path, FULL).chmod(0o644)
    assert load_settings(tmp_path, {"OPENAI_API_KEY": "sk-1"}).warnings == ()


@pytest.mark.skipif(sys.platform == "win32", reason="a mode says nothing of others there")
def test_a_routing_file_with_a_key_is_warned_of_by_its_own_name(tmp_path):
    other = tmp_path / "its name.toml"
    other.write_text(ARBSTR.replace('tier = "frontier"', 'api_key = "sk-literal"'))
    other.chmod(0o644)
    settings = load_settings(write(tmp_path, '[routing]\nfile = "its name.toml"\n'), {})
    [told] = [each for each in settings.warnings if "chmod" in each]
    assert told.endswith(f"run `chmod 600 '{other}'`")
    assert "sk-literal" not in " ".join(settings.warnings)


@pytest.mark.parametrize("name", ["gpt-4.1", "v1.2.3"])
def test_a_model_whose_dot_stands_in_no_quotes_is_told_how_to_write_it(tmp_path, name):
    price = "input_sats_per_million = 1\noutput_sats_per_million = 1\n"
    text = f'[providers.p]\nbase_url = "http://h/v1"\n[providers.p.models.{name}]\n{price}'
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, text), {})
    assert f'a name with a dot stands in quotes: write "{name}"' in caught.value.message
    assert "a problem:" in caught.value.message
    quoted = text.replace(name, f'"{name}"')
    assert name in load_settings(write(tmp_path, quoted), {}).providers[0].models


def test_a_variable_without_braces_is_no_key(tmp_path):
    text = '[providers.p]\nbase_url = "http://h/v1"\napi_key = "$MY_KEY"\n'
    with pytest.raises(SettingsError, match=r"braces: write '\$\{MY_KEY\}'"):
        load_settings(write(tmp_path, text), {})
