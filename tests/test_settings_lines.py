"""Mistakes are told with the line of their key, however the file is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.settings.lines import place_of

TEXT = '''# a comment
a = 1
text = """
[x]
b = 1
"""

[providers.p]
base_url = "u"  # [not.a.table]
models = [
  "a",

  "b",
]
[providers.p.models."gpt-4.o"]
x.y = 2
[[rules]]
name = "a"
[[rules]]
name = "b"
[rules.sub]
k = { u = 1, v = { w = 2 } }
[budgets]
day_usd = 3
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("a", 2),
        ("text", 3),
        ("providers.p", 8),
        ("providers.p.base_url", 9),
        ("providers.p.models", 10),
        ('providers.p.models."gpt-4.o"', 15),
        ('providers.p.models."gpt-4.o".x.y', 16),
        ('providers.p.models."gpt-4.o".missing', 15),
        ("rules[0].name", 18),
        ("rules[1].name", 20),
        ("rules[1].sub.k.v.w", 22),
        ("budgets.day", 24),
        ("budgets.run", 23),
    ],
)
def test_a_key_is_found_or_else_the_table_that_it_is_missing_in(key: str, line: int) -> None:
    assert place_of("f.toml", TEXT, key) == f"f.toml:{line}"


def test_what_is_missing_in_the_file_itself_has_no_line() -> None:
    assert place_of("f.toml", TEXT, "gone") == "f.toml"
    assert place_of("f.toml", "", "a") == "f.toml"


STATEMENT = st.sampled_from(
    ["{} = 1", '{} = """\n[x]\n"""', "{} = [\n 1,\n]", "{} = {{ a = 1 }}", "# no\n\n{} = 2"]
)


@given(st.lists(STATEMENT, min_size=1, max_size=12), st.booleans())
def test_every_key_is_found_whatever_stands_before_it(forms: list[str], in_table: bool) -> None:
    text = "[t]\n" if in_table else ""
    lines = list[int]()
    for number, form in enumerate(forms):
        before = form.partition("{}")[0].count("\n")
        lines.append(text.count("\n") + 1 + before)
        text += form.format(f"k{number}") + "\n"
    prefix = "t." if in_table else ""
    found = [place_of("f", text, f"{prefix}k{number}") for number in range(len(forms))]
    assert found == [f"f:{line}" for line in lines]
