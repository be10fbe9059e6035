"""Settings of providers of the kind litellm."""

from __future__ import annotations

import pytest

from holdfast.errors import SettingsError
from holdfast.settings import load_settings


def test_a_provider_of_litellm_has_a_prefix_and_options_and_others_have_neither(tmp_path):
    text = """
[providers.aws]
kind = "litellm"
prefix = "bedrock"
options = { aws_region_name = "eu-central-1", aws_secret_access_key = "${SECRET}", gone = "${NOT_SET}" }
"""
    (tmp_path / "holdfast.toml").write_text(text)
    settings = load_settings(tmp_path, {"SECRET": "hush"})
    (aws,) = settings.providers
    assert (aws.kind, aws.prefix, aws.base_url) == ("litellm", "bedrock", "")
    assert aws.options == {"aws_region_name": "eu-central-1", "aws_secret_access_key": "hush"}
    assert "hush" not in repr(aws)
    assert any("NOT_SET is not set" in warning for warning in settings.warnings)
    wrong = """
[providers.a]
kind = "litellm"
auto_discover = true
options = { api_base = "http://evil.test" }
[providers.b]
base_url = "http://127.0.0.1:1/v1"
prefix = "bedrock"
"""
    (tmp_path / "holdfast.toml").write_text(wrong)
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path, {})
    for told in (
        "providers.a.options.api_base: is set by Holdfast",
        "providers.a.auto_discover: endpoints of the kind litellm list no models",
        "providers.a.prefix: is missing",
        'providers.b.prefix: is for kind = "litellm" only',
    ):
        assert told in caught.value.message
