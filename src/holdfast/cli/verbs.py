"""Commands with verbs of their own, such as `holdfast task create`.

Only the verbs that stand on the command line get a parser, so that a command with many of them
starts as fast as one with few.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

from holdfast.cli.formatting import Formatter
from holdfast.cli.output import Output


def add_verbs(
    parser: argparse.ArgumentParser, verbs: Mapping[str, str]
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Add the verbs, each with its summary, and give those that need their arguments."""
    actions = parser.add_subparsers(
        dest="verb", metavar="VERB", title="verbs", required=True, help=f"one of {', '.join(verbs)}"
    )
    for name in _wanted(verbs, parser.get_default("words") or ()):
        summary = verbs[name]
        made = actions.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=Formatter,
        )
        _add_common(made)
        yield name, made


def configure_verbs(
    parser: argparse.ArgumentParser, verbs: Mapping[str, str], places: Mapping[str, str], whose: str
) -> None:
    """Add the verbs with the arguments of the modules in `places`, and those of who does it.

    Each module has `configure(verb, parser)` and `run(arguments, output)`. `whose` is whose things
    the verbs are about, such as "whose tasks"; empty if nobody is asked.
    """
    for verb, made in add_verbs(parser, verbs):
        if whose:
            group = made.add_argument_group(f"{whose}, and who does it")
            group.add_argument("--owner", default="local", help="whose they are (default local)")
            group.add_argument("--by", metavar="NAME", help="who does it (default: your user name)")
        module = import_module(places[verb])
        module.configure(verb, made)
        made.set_defaults(act=module.run, parser=made)


def run_verb(arguments: argparse.Namespace, output: Output) -> int:
    """Do what the verb does."""
    code: int = arguments.act(arguments, output)
    return code


def _wanted(verbs: Mapping[str, str], words: Sequence[str]) -> Sequence[str]:
    """Return the verbs that one of the words may mean; all of them if none does."""
    return [name for name in verbs if name in words] or list(verbs)


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Let the common options stand behind the verb too, where people write them."""
    group = parser.add_argument_group("common options")
    unset = argparse.SUPPRESS
    for name, text in (("--json", "print one JSON document"), ("--debug", "show tracebacks too")):
        group.add_argument(name, action="store_true", default=unset, help=text)
    group.add_argument("--store", metavar="URL", default=unset, help="the store")
