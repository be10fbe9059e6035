"""Secrets are found by name, form and entropy; ids, hashes and prose are left alone."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.tracing.redaction.finding import find_secrets, is_hex
from holdfast.tracing.redaction.redactor import WITHHELD, Redactor

ROOT = Path(__file__).resolve().parents[3]
KEY = b"k" * 32
FOUND = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "glpat-abcdefghij0123456789",
    "xoxb-1234567890-abcdef",
    "sk_live_0123456789abcdefXYZ",
    "AIza" + "b" * 35,
    "sk-ant-api03-abcdefghijklmnopqrst",
    "npm_" + "c3D4" * 9,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz",
    "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
]


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(key=KEY)


@pytest.mark.parametrize("secret", FOUND)
def test_known_forms_are_taken_out_wherever_they_stand(redactor: Redactor, secret: str) -> None:
    for text in (secret, f"use {secret} now", f'{{"k":"{secret}"}}'):
        assert secret not in redactor.text(text)
        assert "[redacted:" in redactor.text(text)


def test_the_password_of_an_address_goes_and_the_address_stays(redactor: Redactor) -> None:
    shown = redactor.text("postgres://me:hunter2x@db.example:5432/team")
    assert "hunter2x" not in shown
    assert "db.example:5432/team" in shown


@pytest.mark.parametrize(
    "name",
    ["password", "api_key", "apiKey", "X-Api-Key", "http.request.header.authorization", "db.password",
     "clientSecret", "Set-Cookie", "access_token", "AWS_SECRET_ACCESS_KEY"],
)  # fmt: skip
def test_values_with_the_name_of_a_secret_go_whatever_they_are(
    redactor: Redactor, name: str
) -> None:
    assert "kelp" not in str(redactor.value("kelp", name))
    assert "kelp" not in str(redactor.value({"in": [{name: "kelp"}]}))


@pytest.mark.parametrize(
    "name",
    ["gen_ai.usage.input_tokens", "token_count", "max_tokens", "keyboard", "monkey", "passenger",
     "cookies_enabled", "session.id", "author", "primary_key_column"],
)  # fmt: skip
def test_names_that_only_look_like_it_are_left_alone(redactor: Redactor, name: str) -> None:
    assert redactor.value("kelp", name) == "kelp"


def test_ids_hashes_paths_and_prose_are_no_secrets(redactor: Redactor) -> None:
    for text in (
        str(uuid.uuid4()),
        uuid.uuid4().hex,
        hashlib.sha256(b"x").hexdigest(),
        hashlib.sha1(b"x").hexdigest().upper(),
        "src/holdfast/Tracing/redaction/Finding2/some/Long/path/to/File3.py",
        "https://example.com/A/path1/With/Many/Parts2/And/Words3/In/It",
        "the token count was 4096 and the password prompt appeared",
    ):
        assert redactor.text(text) == text


@given(st.text(alphabet="0123456789abcdefABCDEF-", max_size=300))
def test_ids_need_not_be_searched_as_nothing_is_found_in_them(text: str) -> None:
    assert is_hex(text)
    assert not find_secrets(text, by_entropy=True)


@given(st.text(), st.sampled_from("ghkxG_:/. \u0660\uff11"), st.text(alphabet="0123456789abcdef-"))
def test_a_text_with_any_other_letter_is_no_id(before: str, other: str, after: str) -> None:
    assert not is_hex(before + other + after)


def test_what_a_project_looks_for_is_found_in_ids_too() -> None:
    number = "4111111111111111"
    assert number not in Redactor(key=KEY, patterns=[r"\d{16}"]).text(number)
    assert Redactor(key=KEY, hook=lambda text: text[-4:]).text(number) == "1111"


def test_long_random_words_are_taken_out(redactor: Redactor) -> None:
    assert "Zx9" not in redactor.text("it is Zx9kQ2vLr8TnWb4YpHs7Dc3FgJm6AeUi1 here")


@pytest.mark.parametrize("folder", ["docs", "src"])
def test_our_own_pages_hold_hardly_anything_that_looks_random(folder: str) -> None:
    pages = list((ROOT / folder).rglob("*.md" if folder == "docs" else "*.py"))
    alarms = [
        (path.name, secret)
        for path in pages
        for secret in find_secrets(path.read_text("utf-8"), by_entropy=True)
        if secret.what == "a random word"
    ]
    assert len(pages) > 20
    assert len(alarms) <= len(pages) // 100, alarms


def test_one_secret_has_one_mark_in_a_project_and_another_in_the_next() -> None:
    ours, again, theirs = Redactor(key=KEY), Redactor(key=KEY), Redactor(key=b"other")
    assert ours.text(FOUND[0]) == again.text(FOUND[0]) != theirs.text(FOUND[0])


def test_patterns_and_names_of_the_project_count(redactor: Redactor) -> None:
    own = Redactor(key=KEY, names=["iban"], patterns=[r"K-\d+"])
    assert "K-77" not in own.text("case K-77")
    assert "DE00" not in str(own.value("DE00", "IBAN"))
    assert redactor.text("case K-77") == "case K-77"


def test_a_hook_has_the_last_word_and_its_failure_withholds_the_text() -> None:
    hooked = Redactor(key=KEY, hook=lambda text: text.replace("Ada", "A."))
    assert hooked.text("Ada and AKIAIOSFODNN7EXAMPLE").startswith("A. and [redacted:")

    def fail(text: str) -> str:
        raise ValueError(text)

    failing = Redactor(key=KEY, hook=fail)
    assert failing.text("Ada") == WITHHELD
    assert failing.failures == 1


@given(st.text(), st.sampled_from(FOUND), st.text())
def test_a_secret_never_survives_between_any_words(before: str, secret: str, after: str) -> None:
    assert secret not in Redactor(key=KEY).text(f"{before} {secret} {after}")


@given(st.text(max_size=200))
def test_a_text_without_secrets_is_the_same_text(text: str) -> None:
    if not find_secrets(text, by_entropy=True):
        assert Redactor(key=KEY).text(text) == text
