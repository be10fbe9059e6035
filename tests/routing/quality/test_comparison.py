"""The comparison of routers, on small files of the form that RouteLLM's have."""

from __future__ import annotations

import csv
import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ours.quality_curves import Scored, area, calls_for, curve, mark, threshold_for
from benchmarks.ours.quality_data import STRONG, WEAK, Row, read_folder
from benchmarks.quality import main
from holdfast.errors import UsageError

HEAD = ["prompt", WEAK, STRONG]
ROWS = st.lists(
    st.builds(
        lambda weak, strong, score: Scored(
            row=Row(prompt="p", weak=weak, strong=strong, subject="s"), score=score
        ),
        st.booleans(),
        st.booleans(),
        st.integers(0, 5),
    ),
    min_size=1,
)


def write(file, rows, head=HEAD):
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([head, *rows])


def fill(folder, count=120):
    """Write two subjects, one of which the weak model cannot do, and sums that it half can."""
    random = Random(3)
    for subject, can in (("history", 0.9), ("algebra", 0.2)):
        rows = [
            [
                f"Of {subject} number {n}: which of\nthese {subject} facts holds?",
                random.random() < can,
                random.random() < 0.95,
            ]
            for n in range(count)
        ]
        write(folder / "mmlu" / "responses" / f"mmlu_{subject}.csv", rows)
    sums = []
    for n in range(count):
        good = random.random() < 0.6
        answer = f"{n} + {n} = {2 * n}\n#### {2 * n}" if good else f"{n} + {n} = {2 * n + 9} and so"
        sums.append([f"What is {n} and {n}?", good, random.random() < 0.95, answer, "right"])
    head = [*HEAD, f"{WEAK}_response", f"{STRONG}_response"]
    write(folder / "gsm8k" / "gsm8k_responses.csv", sums, head)


def test_the_whole_comparison_runs_and_ranks_as_it_must(tmp_path, capsys):
    fill(tmp_path / "routellm" / "evals")
    assert main([str(tmp_path), "--json", "--rounds", "20"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out.splitlines()[-1])
    apgr = {name: marks["apgr"] for name, marks in found["routers"].items()}
    assert apgr["mmlu: subject"] > apgr["mmlu: random"] + 0.1
    assert apgr["mmlu: neighbours"] > apgr["mmlu: random"] + 0.1
    assert apgr["mmlu: linear"] > apgr["mmlu: random"] + 0.1
    assert apgr["gsm8k: cascade"] > apgr["gsm8k: random"] + 0.2
    assert apgr["mmlu: perfect"] == max(apgr[name] for name in apgr if name.startswith("mmlu"))
    assert "gsm8k: neighbours, taught on mmlu" in apgr
    assert found["gsm8k_apgr"] == pytest.approx(apgr["gsm8k: cascade"], rel=1e-3)
    assert "of the gap for" in told.err


def test_a_lone_data_set_is_enough_and_contaminated_prompts_are_left_out(tmp_path):
    fill(tmp_path)
    for file in (tmp_path / "mmlu" / "responses").iterdir():
        file.unlink()
    named = json.dumps({"eval_prompt": "What is 7 and 7?"})
    (tmp_path / "gsm8k" / "contaminated_prompts.jsonl").write_text(f"{named}\n\n")
    found = read_folder(tmp_path)
    assert list(found) == ["gsm8k"]
    assert len(found["gsm8k"]) == 119


def test_a_folder_without_the_files_is_an_error_that_says_what_to_give(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    told = capsys.readouterr().err
    assert "no evaluation files of RouteLLM" in told
    assert "a checkout of lm-sys/RouteLLM" in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version https://git-lfs.github.com/spec/v1\n", "has no column"),
        (f"prompt,{WEAK},{STRONG}\nq,True,perhaps\n", "at line 2"),
        (f"prompt,{WEAK},{STRONG}\nq,True\n", "at line 2"),
        (f"prompt,{WEAK},{STRONG}\nq,True,False\n", "never better"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, text, says):
    file = tmp_path / "gsm8k" / "gsm8k_responses.csv"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        read_folder(tmp_path)


@given(ROWS)
def test_a_curve_begins_with_the_weak_model_and_ends_with_the_strong_one(scored):
    points = curve(scored)
    assert points[0] == (0.0, sum(each.row.weak for each in scored) / len(scored))
    assert points[-1] == (1.0, sum(each.row.strong for each in scored) / len(scored))


@given(ROWS)
def test_scores_that_say_nothing_recover_half(scored):
    flat = [Scored(row=each.row, score=0.0) for each in scored]
    points = curve(flat)
    assert area(points) == pytest.approx(0.5 if points[0][1] != points[-1][1] else 0.0)


@given(ROWS)
def test_charging_the_weak_call_never_flatters_where_the_strong_model_helps(scored):
    better = [each for each in scored if each.row.strong >= each.row.weak]
    if any(each.row.strong > each.row.weak for each in better):
        assert area(curve(better, 0.1)) <= area(curve(better)) + 1e-9


def test_marks_count_what_the_chosen_threshold_gave():
    rows = [Row(prompt="p", weak=n >= 4, strong=True, subject="s") for n in range(10)]
    scored = [Scored(row=row, score=-n, threshold=-2.0) for n, row in enumerate(rows)]
    assert calls_for(curve(scored), 0.5) == pytest.approx(0.2)
    assert threshold_for(scored, 0.75) == -2
    marks = mark(scored, Random(1), 40)
    assert (marks.chosen_calls, marks.chosen_gap) == (0.3, pytest.approx(0.75))
    assert marks.low <= marks.apgr <= marks.high + 0.05
