"""Two releases are compared with few false alarms, and real changes are found."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Sequence
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.tracing.comparing.gates import GateReport, Sample, check_gates, parse_gates
from holdfast.tracing.comparing.ranks import (
    holm,
    least_change,
    quantile,
    rank_test,
    ratio_interval,
    spread,
)
from holdfast.tracing.comparing.releases import Durations, NameComparison, compare_releases
from holdfast.tracing.digest import TraceDigest
from holdfast.tracing.meaning import TokenUsage
from holdfast.tracing.span import Status

MS = 1_000_000


def drawn(chance: random.Random, count: int, factor: float = 1.0) -> list[int]:
    """Return lengths as calls have them: lognormal with sigma 0.5, about 100 ms."""
    return [round(100 * MS * factor * chance.lognormvariate(0, 0.5)) for _ in range(count)]


def side(
    chance: random.Random,
    names: int,
    runs: int,
    factor: float = 1.0,
    alike: float = 0.0,
    calls: int = 1,
) -> Durations:
    """Return the spans of some names in some runs; with `alike` the calls of a run are so."""
    return {
        f"name {name}": {
            f"t{run}": [
                round(each * slow) for slow in (chance.lognormvariate(0, alike),) * 1
                for each in drawn(chance, calls, factor)
            ]
            for run in range(runs)
        }
        for name in range(names)
    }  # fmt: skip


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=12),
    st.lists(st.integers(0, 9), min_size=1, max_size=12),
)
def test_delta_is_how_much_oftener_the_second_side_is_larger(
    base: list[int], head: list[int]
) -> None:
    found = rank_test([[float(each)] for each in base], [[float(each)] for each in head])
    pairs = [(y > x) - (y < x) for x, y in itertools.product(base, head)]
    if len({*base, *head}) > 1:
        assert found.delta == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= found.p <= 1


def test_the_rank_test_is_that_of_the_textbook() -> None:
    # Ten against ten without ties, U = 22: z = (28 - 0.5) / sqrt(10 * 10 * 21 / 12) = 2.079.
    base = [[float(each)] for each in (1, 2, 3, 5, 6, 7, 8, 10, 15, 17)]
    head = [[float(each)] for each in (4, 9, 11, 12, 13, 14, 16, 18, 19, 20)]
    found = rank_test(base, head)
    u = sum(y[0] > x[0] for x, y in itertools.product(base, head))
    z = (abs(u - 50) - 0.5) / (10 * 10 * 21 / 12) ** 0.5
    assert u == 81
    assert found.p == pytest.approx(2 * (1 - NormalDist().cdf(z)))


def test_ties_are_corrected_for() -> None:
    # Four against four: U = 14; ties of 2, 4 and 2 take 72 / 56 from 9, so the variance is 10.286.
    found = rank_test([[1.0], [1.0], [2.0], [2.0]], [[2.0], [2.0], [3.0], [3.0]])
    assert found.p == pytest.approx(2 * (1 - NormalDist().cdf((14 - 8 - 0.5) / 10.285714**0.5)))


def test_equal_values_are_no_difference() -> None:
    found = rank_test([[1.0]] * 9, [[1.0]] * 9)
    assert (found.p, found.delta) == (1.0, 0.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_never_makes_a_chance_smaller_and_keeps_the_order(chances: list[float]) -> None:
    corrected = holm(chances)
    assert all(chance <= after <= 1 for chance, after in zip(chances, corrected, strict=True))
    assert min(corrected) == pytest.approx(min(1.0, len(chances) * min(chances)))
    for one, other in itertools.combinations(range(len(chances)), 2):
        if chances[one] < chances[other]:
            assert corrected[one] <= corrected[other]


def test_two_equal_releases_raise_a_false_alarm_in_at_most_one_of_a_hundred_comparisons() -> None:
    chance = random.Random(1)
    alarms = 0
    for _ in range(100):
        found = compare_releases(side(chance, 5, 60), side(chance, 5, 60), random=chance)
        alarms += any(each.finding in {"slower", "faster"} for each in found.names)
    assert alarms <= 3  # one is expected; more than three have a chance of 2 %


def test_runs_that_are_alike_inside_do_not_raise_false_alarms() -> None:
    chance = random.Random(2)
    alarms = sum(
        compare_releases(
            side(chance, 1, 30, alike=0.5, calls=20), side(chance, 1, 30, alike=0.5, calls=20), random=chance
        ).names[0].finding in {"slower", "faster"}
        for _ in range(100)
    )  # fmt: skip
    assert alarms <= 3


def test_a_slowdown_of_20_per_cent_is_found_in_95_of_100_at_a_thousand_a_side() -> None:
    chance = random.Random(3)
    found = 0
    for _ in range(40):
        compared = compare_releases(
            {**side(chance, 9, 20), "hit": side(chance, 1, 1000)["name 0"]},
            {**side(chance, 9, 20), "hit": side(chance, 1, 1000, 1.2)["name 0"]},
            random=chance,
        )
        (hit,) = [each for each in compared.names if each.name == "hit"]
        found += hit.finding == "slower" and hit.interval[0] < 1.2 < hit.interval[1] * 1.05
    assert found >= 38


def test_what_could_not_have_been_seen_is_said() -> None:
    chance = random.Random(4)
    (few,) = compare_releases(side(chance, 1, 30), side(chance, 1, 30), random=chance).names
    assert few.finding == "unsure"
    assert 0.3 < few.least_change < 1
    assert few.text.startswith("name 0: not enough data to see less than ")
    (many,) = compare_releases(side(chance, 1, 1000), side(chance, 1, 1000), random=chance).names
    assert many.finding == "same"
    (none,) = compare_releases(side(chance, 1, 2), side(chance, 1, 2), random=chance).names
    assert none.text == "name 0: not enough data to see a change"


def test_the_least_change_is_seen_in_four_of_five_cases() -> None:
    chance = random.Random(5)
    least = least_change(drawn(chance, 200), drawn(chance, 200), alpha=0.01)
    seen = 0
    for _ in range(100):
        base, head = drawn(chance, 200), drawn(chance, 200, 1 + least)
        seen += rank_test([[float(x)] for x in base], [[float(x)] for x in head]).p < 0.01
    assert 70 <= seen <= 92


def test_calls_a_run_are_told_apart_from_time_a_call() -> None:
    chance = random.Random(6)
    more = compare_releases(
        side(chance, 1, 200), side(chance, 1, 200, calls=3), random=chance
    ).names[0]
    assert more.counts == "more"
    assert more.finding not in {"slower", "faster"}
    assert more.text.endswith("called 3.0 times a run instead of 1.0")


def test_a_name_that_only_one_release_has_is_unsure_about_time_and_sure_about_calls() -> None:
    chance = random.Random(7)
    base = side(chance, 1, 50)
    head = {**side(chance, 1, 50), "new": side(chance, 1, 50)["name 0"]}
    (new,) = [
        each for each in compare_releases(base, head, random=chance).names if each.name == "new"
    ]
    assert (new.finding, new.counts) == ("unsure", "more")


def test_the_same_seed_gives_the_same_answer() -> None:
    base, head = side(random.Random(8), 3, 40), side(random.Random(9), 3, 40, 1.3)
    once = compare_releases(base, head, random=random.Random(1))
    assert once == compare_releases(base, head, random=random.Random(1))


@given(st.lists(st.floats(0.001, 1e6), min_size=2, max_size=40), st.floats(0, 1))
def test_a_quantile_lies_between_the_least_and_the_most(values: list[float], share: float) -> None:
    ordered = sorted(values)
    assert ordered[0] <= quantile(ordered, share) <= ordered[-1] * (1 + 1e-12)
    assert spread(ordered) >= 0


def test_an_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    chance = random.Random(10)
    held = 0
    for _ in range(100):
        low, high = ratio_interval(
            sorted(map(float, drawn(chance, 150))), sorted(map(float, drawn(chance, 150, 1.2))), 0.5,
            confidence=0.95, random=chance, draws=400,
        )  # fmt: skip
        held += low <= 1.2 <= high
    assert held >= 88


def run(
    duration: int, status: Status = "ok", cost: int | None = 10, tokens: int = 100
) -> TraceDigest:
    return TraceDigest(
        trace_id="a" * 32, name="answer", start_ns=0, duration_ns=duration, status=status, spans=1,
        errors=0, usage=TokenUsage(input=tokens, output=5), cost_msat=cost, cost_known=cost is not None,
    )  # fmt: skip


def sample(durations: Sequence[int], **more: object) -> Sample:
    return Sample(runs=[run(each, **more) for each in durations], durations={})  # type: ignore[arg-type]


def check(text: str, base: Sample, head: Sample, *, strict: bool = False) -> GateReport:
    return check_gates(parse_gates(text), base, head, random=random.Random(1), strict=strict)


def outcomes(report: GateReport) -> list[str]:
    return [each.outcome for each in report.results]


def test_gates_are_parsed() -> None:
    found = parse_gates('p95>20%, search:p50 > 500ms,"a,b:c":count>10%,errors>0 , *:mean>5%')
    assert [(each.name, each.metric, each.limit, each.unit) for each in found] == [
        ("", "p95", 0.2, "%"), ("search", "p50", 500 * MS, "ns"), ("a,b:c", "count", 0.1, "%"),
        ("", "errors", 0, ""), ("*", "mean", 0.05, "%"),
    ]  # fmt: skip
    assert [each.text for each in found][:2] == ["p95>20%", "search:p50 > 500ms"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no gate"), ("p95", "'p95'"), ("p94>5%", "p94"), ("p95>20", "length of time or %"),
        ("p95>", "p95>"), ("cost>5ms", "limit of cost"), ("count>5%", "count is of a name"),
        ("x:errors>1%", "of a run"), ("p95>5%,,", "','"), ("p95<5%", "p95<5%"),
        ("p95>5% mean>3%", "p95>5%"),
    ],
)  # fmt: skip
def test_what_is_no_gate_is_refused_with_the_part_and_a_way_out(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_gates(text)
    assert part in caught.value.message
    assert caught.value.hint


@given(st.text(max_size=30))
def test_any_text_is_gates_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse_gates(text)


def test_a_gate_fails_when_the_change_is_over_its_limit_and_no_chance() -> None:
    chance = random.Random(11)
    base, head = sample(drawn(chance, 800)), sample(drawn(chance, 800, 1.5))
    assert outcomes(check("p50>20%,p95>20%,mean>20%", base, head)) == ["failed"] * 3
    assert outcomes(check("p50>20%,p95>20%,mean>20%", base, base)) == ["passed"] * 3
    report = check("p50>20%", base, head)
    assert report.failed
    assert report.reasons[0].startswith("p50 of runs +")


def test_too_little_data_is_said_and_fails_only_if_that_was_asked_for() -> None:
    chance = random.Random(12)
    base, head = sample(drawn(chance, 30)), sample(drawn(chance, 30, 1.3))
    report = check("p95>20%", base, head)
    assert (outcomes(report), report.failed) == (["unsure"], False)
    assert report.reasons == ["p95 of runs: not enough data for p95 (30 and 30 values)"]
    report = check("p50>20%", base, base)
    assert (outcomes(report), report.failed) == (["unsure"], False)
    assert report.reasons[0].endswith("not enough data to rule out 20 %")
    assert check("p95>20%", base, head, strict=True).failed
    assert outcomes(check("p95>20%", sample([1]), sample([2]))) == ["unsure"]
    assert outcomes(check("search:p95>20%", base, head)) == ["unsure"]


def test_equal_releases_pass_their_gates() -> None:
    chance = random.Random(13)
    failed = sum(
        check("p95>10%,mean>5%,p50>5%", sample(drawn(chance, 60)), sample(drawn(chance, 60))).failed
        for _ in range(100)
    )
    assert failed <= 4


def test_errors_are_counted_by_share_and_by_number() -> None:
    good = [run(MS)] * 95
    base = Sample(runs=[*good, *[run(MS, "error")] * 5], durations={})
    head = Sample(runs=[*good[:60], *[run(MS, "error")] * 40], durations={})
    assert outcomes(check("errors>10%", base, head)) == ["failed"]
    assert outcomes(check("errors>10%", base, base)) == ["passed"]
    assert outcomes(check("errors>0", base, Sample(runs=good, durations={}))) == ["passed"]
    assert outcomes(check("errors>5", base, head)) == ["failed"]


def test_an_unknown_cost_is_no_cost() -> None:
    known, unknown = sample([MS] * 50), sample([MS] * 50, cost=None)
    report = check("cost>10%", known, unknown)
    assert outcomes(report) == ["unsure"]
    assert report.reasons[0] == "cost of runs: unknown of 50 runs"
    dearer = sample([MS] * 50, cost=20)
    assert outcomes(check("cost>10%", known, dearer)) == ["failed"]
    assert outcomes(check("tokens>10%", known, sample([MS] * 50, tokens=200))) == ["failed"]


def test_gates_of_names_look_at_their_spans() -> None:
    chance = random.Random(14)
    base = Sample(runs=[run(MS)] * 300, durations=side(chance, 2, 300))
    slow = side(chance, 1, 300, 1.6)["name 0"]
    head = Sample(runs=[run(MS)] * 300, durations={**side(chance, 2, 300), "name 1": slow})
    assert outcomes(check("name 1:p50>20%", base, head)) == ["failed"]
    report = check("*:p50>20%", base, head)
    assert [(each.name, each.outcome) for each in report.results] == [
        ("name 0", "passed"), ("name 1", "failed"),
    ]  # fmt: skip
    thrice = {"name 0": {f"t{n}": [MS] * 3 for n in range(300)}}
    once = {"name 0": {f"t{n}": [MS] for n in range(300)}}
    runs = [run(MS)] * 300
    assert outcomes(check("name 0:count>50%", Sample(runs=runs, durations=once), Sample(runs=runs, durations=thrice))) == ["failed"]  # fmt: skip
    assert outcomes(check("name 0:p50>50ms", base, head)) == ["failed"]
    assert outcomes(check("name 0:p50>5s", base, head)) == ["passed"]


def test_among_many_names_a_change_must_show_more_clearly() -> None:
    def compared(names: int) -> NameComparison:
        def side(calls: int) -> dict[str, list[int]]:
            return {f"t{run}": [(90 + 7 * run) * MS] * calls for run in range(5)}

        others = {f"b{number}": side(1) for number in range(names - 1)}
        found = compare_releases(
            {"a": side(1), **others}, {"a": side(2), **others}, random=random.Random(1)
        )
        return next(each for each in found.names if each.name == "a")

    alone, among = compared(1), compared(4)
    assert (alone.counts, among.counts) == ("more", "same")
    assert among.least_change > alone.least_change
