"""Find the command, run it, and turn whatever happens into an exit code.

Only the module of the command that was asked for is imported, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from holdfast import __version__
from holdfast.cli.formatting import Formatter
from holdfast.cli.output import Output, result_stream
from holdfast.errors import HoldfastError, UsageError

COMMANDS = {
    "init": "make a project in this folder: settings and a first workflow",
    "run": "run a workflow file",
    "validate": "check a workflow file without running it",
    "resume": "go on with a run that was interrupted",
    "fork": "start a new run with what another has finished, for instance after it failed",
    "answer": "answer what a run asks for, and go on with it",
    "cancel": "call a run off",
    "list": "list the newest runs",
    "show": "show all about a run: state, variables, steps, time, cost, error",
    "trace": "where the time of runs went, what went wrong, what it cost; compare, export",
    "serve": "take traces in over OTLP, give them to viewers, and lead to models, on this machine",
    "proxy": "give programs one address for all models: the cheapest that serves, what was spent",
    "route": "see how model calls are led: endpoints, prices, circuits, what was asked and spent",
    "wallet": "ecash: fill it, pay nodes from it, give and take tokens, see that it adds up",
    "suite": "try a workflow on purpose: scenarios with recorded answers or within a budget",
    "task": "create, find, claim, share and end tasks",
    "session": "named pieces of work that anybody can take up again",
    "memory": "what agents and people should remember: write, search, history",
    "store": "look after the store: verify, repair, compact, back up, restore, export, import",
    "merge": "merge two clones of a project: git's merge driver",
    "schema": "print the JSON Schema of workflow files, for editors",
}

EXIT_CODES = """exit codes:
  0    it worked; a run completed
  1    a run failed
  2    wrong usage, settings, workflow file or inputs; or the run does not allow it as it stands
  3    a run waits for an answer
  4    the store failed, or is damaged
  5    a model provider failed
  6    another process took the run over
  7    a run was cancelled
  130  interrupted; the run can be resumed
  141  whoever read the output went away
"""

_SELDOM = 50_000


def entry() -> NoReturn:
    """Run the command line of this process and leave with its exit code."""
    collect_seldom()
    _leave(main(sys.argv[1:]))


def collect_seldom() -> None:
    """Look for cycles of garbage less often than Python does by itself.

    What ends at once leaves none that are worth looking for; what runs long still looks.
    """
    gc.set_threshold(_SELDOM, 20, 20)


def _leave(code: int) -> NoReturn:
    """End the process, at once if only this thread did anything.

    Taking the interpreter apart takes longer than most commands have. Where there may be threads,
    event loops or somebody who measures coverage, it is done in good order.
    """
    if {"asyncio", "coverage", "concurrent.futures"}.isdisjoint(sys.modules):
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):  # whoever read it is gone
            sys.exit(code)
        os._exit(code)
    sys.exit(code)


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    name = next((word for word in argv if not word.startswith("-")), None)
    parser = _build_parser(name, argv)
    try:
        arguments, unknown = parser.parse_known_args(argv)
        if unknown:
            told = f"unrecognized arguments: {' '.join(unknown)}"
            raise _Misuse(getattr(arguments, "parser", parser), told)
    except _Misuse as misuse:
        return _tell_misuse(misuse, as_json="--json" in argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    with result_stream() as stream:
        return _run(arguments, Output(as_json=arguments.json, stream=stream, store=arguments.store))


def _run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        _check_folder()
        code: int = arguments.run(arguments, output)
        output.flush()
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except KeyboardInterrupt:
        output.interrupted()
        return 130
    except Exception as error:  # noqa: BLE001 - a command ends with a code, whatever happens
        if arguments.debug:
            import traceback  # noqa: PLC0415 - hardly ever needed, and not for free

            traceback.print_exc()
        if isinstance(error, HoldfastError):
            output.error(error)
            return error.exit_code
        output.unexpected(error)
        return 1
    return code


def _check_folder() -> None:
    from pathlib import Path  # noqa: PLC0415 - `--help` does without

    try:
        Path.cwd()
    except FileNotFoundError:
        raise UsageError(
            "the folder that you are in does not exist any more", hint="change to another one"
        ) from None


class _Misuse(Exception):
    """Arguments that a parser does not understand."""

    def __init__(self, parser: _Parser, message: str) -> None:
        super().__init__(message)
        self.parser = parser
        self.message = message


class _Parser(argparse.ArgumentParser):
    """A parser that leaves it to the caller how a mistake is told."""

    def error(self, message: str) -> NoReturn:
        raise _Misuse(self, message)


def _tell_misuse(misuse: _Misuse, *, as_json: bool) -> int:
    meant = _meant(misuse.message)
    if as_json:
        usage = " ".join([meant, *misuse.parser.format_usage().split()]).strip()
        Output(as_json=True).error(UsageError(misuse.message, hint=usage))
    else:
        misuse.parser.print_usage(sys.stderr)
        sys.stderr.write(f"{misuse.parser.prog}: error: {misuse.message}\n")
        if meant:
            sys.stderr.write(f"  {meant}\n")
    return UsageError.exit_code


def _meant(message: str) -> str:
    """Return which of the choices that a parser told was probably meant."""
    import re  # noqa: PLC0415 - only after a mistake

    from holdfast.agents.problems import did_you_mean  # noqa: PLC0415 - as above

    found = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
    return did_you_mean(found[1], re.findall(r"[\w-]+", found[2])) if found else ""


def _build_parser(wanted: str | None, argv: Sequence[str] = ()) -> _Parser:
    """Return the parser; if `argv` begins with a command, only that one needs a parser of its own."""
    parser = _Parser(
        prog="holdfast",
        description="A local-first runtime for agents that finish what they start.",
        epilog=EXIT_CODES,
        formatter_class=Formatter,
    )
    parser.add_argument("--version", action="version", version=f"holdfast {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    needed = [wanted] if wanted in COMMANDS and argv and argv[0] == wanted else COMMANDS
    for name in needed:
        summary = COMMANDS[name]
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=Formatter,
        )
        _add_common(command)
        if name == wanted:
            module = importlib.import_module(f"holdfast.cli.{name}")
            command.set_defaults(words=tuple(argv), parser=command)
            module.configure(command)
            command.set_defaults(run=module.run)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("common options")
    group.add_argument("--json", action="store_true", help="print one JSON document")
    group.add_argument("--debug", action="store_true", help="show tracebacks too")
    group.add_argument("--store", metavar="URL", help="the store, for instance files:.holdfast")
