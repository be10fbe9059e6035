"""`holdfast suite`: run scenarios through a real workflow, and judge how they end."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.output import Output, count, seconds
from holdfast.cli.settings import settings_of
from holdfast.cli.verbs import add_verbs
from holdfast.errors import UsageError
from holdfast.routing.cost import format_msat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.app.suites import SuiteRun
    from holdfast.evals.judging import Verdict

VERBS = {
    "run": "run the scenarios of a suite: with recorded answers, or real ones within a budget",
    "validate": "check the file of a suite, against its workflow too, without running it",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs and their arguments."""
    for verb, made in add_verbs(parser, VERBS):
        made.add_argument("file", metavar="FILE", type=Path, help="the file of the suite")
        if verb == "run":
            _add_options(made)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scenario", metavar="NAME", action="append", default=[], help="only this one; repeatable"
    )
    parser.add_argument("--live", action="store_true", help="ask real models, within the budget")
    parser.add_argument(
        "--record", action="store_true", help="ask real models and keep their answers for next time"
    )
    parser.add_argument(
        "--budget-sats", type=float, metavar="N",
        help="the most that all scenarios together may cost (default: what the suite says)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run or check the suite."""
    from holdfast.evals.reading import load_suite  # noqa: PLC0415 - `--help` does without

    suite = load_suite(arguments.file)
    if arguments.verb == "validate":
        from holdfast.app.suites import check_suite  # noqa: PLC0415 - as above

        check_suite(suite)
        output.data({"suite": suite.name, "scenarios": [each.name for each in suite.scenarios]})
        output.line(f"{arguments.file}: {count(len(suite.scenarios), 'scenario')}, no mistakes")
        return 0
    from holdfast.app.suites import SuiteRun  # noqa: PLC0415 - as above

    budget = _budget(arguments)
    real = arguments.live or arguments.record
    if real and budget is None and suite.budget_msat is None:
        raise UsageError(
            "real models are asked within a budget only",
            hint="add --budget-sats N, or budget_sats to the suite; 0 allows free models",
        )
    suite_run = SuiteRun(
        suite,
        settings_of(arguments, output),
        live=arguments.live,
        record=arguments.record,
        budget_msat=budget,
    )
    verdicts = asyncio.run(_collect(suite_run, arguments.scenario, output))
    return _report(suite_run, verdicts, output)


def _budget(arguments: argparse.Namespace) -> int | None:
    if arguments.budget_sats is None:
        return None
    if not 0 <= arguments.budget_sats < 10**12:
        raise UsageError("--budget-sats must be an amount of sats, not negative")
    return round(arguments.budget_sats * 1000)


async def _collect(suite_run: SuiteRun, names: Sequence[str], output: Output) -> list[Verdict]:
    verdicts: list[Verdict] = []
    async for verdict in suite_run.verdicts(names):
        verdicts.append(verdict)
        _print(verdict, output)
        output.flush()
    return verdicts


def _print(verdict: Verdict, output: Output) -> None:
    outcome = verdict.outcome
    about = ""
    if outcome is not None:
        cost = format_msat(outcome.cost_msat)
        about = f"  {seconds(outcome.seconds * 1000)}, cost {cost}  {outcome.run_id[:8]}"
    output.line(f"{'pass' if verdict.passed else 'FAIL'}  {verdict.scenario}{about}")
    for reason in verdict.reasons:
        output.line(f"      {reason}")
    if outcome is not None:
        for step in outcome.steps:
            visit = f" (visit {step.visit})" if step.visit > 1 else ""
            failed = "  failed" if step.failed else ""
            output.line(f"      {seconds(step.milliseconds):>8}  {step.path}{visit}{failed}")


def _report(suite_run: SuiteRun, verdicts: Sequence[Verdict], output: Output) -> int:
    failed = sum(not each.passed for each in verdicts)
    output.data(
        {
            "suite": suite_run.suite.name,
            "passed": len(verdicts) - failed,
            "failed": failed,
            "spent_msat": suite_run.purse.spent if suite_run.purse else 0,
            "scenarios": [_data(each) for each in verdicts],
        }
    )
    spent = f", spent {format_msat(suite_run.purse.spent)}" if suite_run.purse else ""
    output.note(f"{suite_run.suite.name}: {len(verdicts) - failed} passed, {failed} failed{spent}")
    return 1 if failed else 0


def _data(verdict: Verdict) -> dict[str, object]:
    data: dict[str, object] = {
        "name": verdict.scenario,
        "passed": verdict.passed,
        "reasons": list(verdict.reasons),
    }
    outcome = verdict.outcome
    if outcome is None:
        return data
    return {
        **data,
        "id": outcome.run_id,
        "state": str(outcome.state),
        "seconds": outcome.seconds,
        "cost_msat": outcome.cost_msat,
        "steps": [
            {
                "path": each.path,
                "visit": each.visit,
                "duration_ms": each.milliseconds,
                "failed": each.failed,
            }
            for each in outcome.steps
        ],
    }
