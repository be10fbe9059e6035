"""Every key has a file name of its own, on every file system."""

from __future__ import annotations

import re
from unicodedata import normalize

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.storage.faces.names import MAX_NAME_BYTES, check_suffix, is_temporary, name_face

_awkward = st.sampled_from(["con", "CON", "a", "A", ".", "..", "/", "%", "+", ",", "~", "ß", "é"])
_parts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.lists(_awkward, max_size=4).map("".join),
    st.text("aA\u0301é/.%", min_size=150, max_size=300),
)
_keys = st.lists(_parts, max_size=3).map(tuple)
_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE | re.DOTALL)


def folded(name: str) -> set[str]:
    """Return the name as file systems may see it that ignore case or rewrite accents."""
    variants = {name.casefold(), name.upper(), name.lower(), name.upper().lower()}
    return {normalize(form, each) for form in ("NFC", "NFD", "NFKC") for each in variants}


@settings(max_examples=400, deadline=None)
@given(one=_keys, other=_keys)
@example(one=("",), other=())
@example(one=("", ""), other=(",",))
@example(one=("a,b",), other=("a", "b"))
@example(one=("+a",), other=("A",))
@example(one=("%",), other=("",))
@example(one=("x" * 300,), other=("x" * 299 + "y",))
@example(one=("\u03c3",), other=("\u03c2",))
@example(one=("\u0131",), other=("i",))
@example(one=("\u1100\u1161",), other=("\uac00",))
def test_different_keys_have_different_names_everywhere(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    if one != other:
        assert folded(name_face(one, ".md")).isdisjoint(folded(name_face(other, ".md")))


@settings(max_examples=200, deadline=None)
@given(key=_keys)
@example(key=("con",))
@example(key=("nul.txt",))
@example(key=("..",))
@example(key=("a\nb",))
@example(key=("漢" * 100,))
def test_a_name_is_safe(key: tuple[str, ...]) -> None:
    name = name_face(key, ".json")
    assert len(name.encode()) <= MAX_NAME_BYTES
    assert name.endswith(".json")
    assert not name.startswith(".")
    assert not set('/\\:*?"<>|\0\n ') & set(name)
    assert not _WINDOWS.fullmatch(name)
    assert not is_temporary(name)
    assert name_face(key, ".json") == name


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (("3f2a9c",), "3f2a9c.md"),
        (("build-plan_2.1",), "build-plan_2.1.md"),
        (("README",), "+r+e+a+d+m+e.md"),
        (("project", "naming"), "project,naming.md"),
        (("../../etc/passwd",), "%2e./../etc/passwd.md".replace("/", "%2f")),
        (("a b",), "a%20b.md"),
        (("設計",), "設計.md"),
        (("für",), "f%c3%bcr.md"),
        (("con",), "%63on.md"),
        (("",), "%.md"),
        ((), ",.md"),
    ],
)
def test_names_are_readable(key: tuple[str, ...], name: str) -> None:
    assert name_face(key, ".md") == name


@pytest.mark.parametrize(
    "name",
    [".x.md.swp", "x.md~", "#x.md#", ".#x.md", "4913", "x.md.tmp", "x.md.swx", "Thumbs.db",
     "___jb_tmp___", ".DS_Store", "x.md.part", "~$x.md", ".base"],
)  # fmt: skip
def test_files_of_editors_are_known(name: str) -> None:
    assert is_temporary(name)


@pytest.mark.parametrize("suffix", ["", "md", ".", "./x", ".MD", ".tmp", ".swp", ".bak", ".a.b"])
def test_a_suffix_that_would_undo_the_names_is_refused(suffix: str) -> None:
    with pytest.raises(UsageError):
        check_suffix(suffix)
