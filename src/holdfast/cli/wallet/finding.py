"""`holdfast wallet nodes` and `accept`: which nodes there are, and which of them may be paid."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from holdfast.app.wallets import nodes_of
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.tables import print_table
from holdfast.cli.wallet.opening import look_into_wallet, sats_of, with_wallet
from holdfast.errors import UsageError
from holdfast.frozen import replace

if TYPE_CHECKING:
    from holdfast.routing.ecash.records import FoundNode
    from holdfast.routing.ecash.wallet import Wallet
    from holdfast.settings import Settings


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    if verb == "nodes":
        parser.add_argument(
            "--search", action="store_true", help="ask known nodes and the relays of [wallet] first"
        )
        return
    parser.add_argument("url", metavar="URL", help="its address, as `nodes` shows it")
    parser.add_argument("--name", help="the name of the provider that it becomes")
    parser.add_argument("--topup", metavar="SATS", default="100", help="default 100")
    parser.add_argument(
        "--limit", metavar="SATS", default="1000", help="the most that it may have (default 1000)"
    )
    parser.add_argument("--never", action="store_true", help="pay it no longer")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show nodes, or accept one."""
    settings = settings_of(arguments, output)
    if arguments.verb == "accept":
        return _accept(settings, arguments, output)

    async def work(wallet: Wallet) -> tuple[list[FoundNode], list[str]]:
        problems = await _search(settings, wallet) if arguments.search else []
        return list(wallet.store.found()), problems

    ask = with_wallet if arguments.search else look_into_wallet
    found, problems = ask(settings, work) or ([], [])
    output.data({"nodes": [_told(each) for each in found], "problems": problems})
    rows = [("name", "address", "may be paid as", "mints", "told by")]
    rows += [
        (e.name, e.url, e.accepted or "-", str(len(e.mints)), e.source or e.author) for e in found
    ]
    none = (
        "nobody told of a node"
        if arguments.search
        else "no nodes are known: `nodes --search` asks for some"
    )
    if found:
        print_table(rows, output, elastic=0, spare=("told by", "mints"))
    else:
        output.line(none)
    for each in problems:
        output.note(f"warning: {each}")
    return 0


async def _search(settings: Settings, wallet: Wallet) -> list[str]:
    from holdfast.routing.ecash.searching import search  # noqa: PLC0415 - needs an extra

    accepted = [each.url for each in wallet.store.found() if each.accepted]
    known = dict.fromkeys([*(each.base_url for each in nodes_of(settings)), *accepted])
    relays = settings.wallet.relays if settings.wallet else ()
    if not known and not relays:
        raise UsageError(
            "there is nobody to ask for nodes",
            hint='write relays = ["wss://..."] below [wallet], or a node below [providers.NAME]',
        )
    told = await search(wallet.web, list(known), relays, wallet.clock)
    with wallet.store.change() as change:
        for each in told.found:
            change.write_found(each)
    return list(told.problems)


def _accept(settings: Settings, arguments: argparse.Namespace, output: Output) -> int:
    topup, limit = sats_of(arguments.topup), sats_of(arguments.limit)
    if topup > limit:
        raise UsageError("--topup is more than --limit", hint="the node may have --limit at most")

    async def work(wallet: Wallet) -> FoundNode:
        found = {each.url: each for each in wallet.store.found()}
        plain = arguments.url.rstrip("/")
        node = found.get(plain) or found.get(f"{plain}/v1")
        if node is None:
            raise UsageError(
                f"nobody told of a node at {arguments.url}", hint="see `holdfast wallet nodes`"
            )
        name = "" if arguments.never else _name(settings, node, arguments.name, found.values())
        chosen = replace(node, accepted=name, topup_sat=topup, limit_sat=limit)
        with wallet.store.change() as change:
            change.accept(chosen)
        return chosen

    node = with_wallet(settings, work)
    output.data(_told(node))
    if node.accepted:
        output.line(f"{node.url} is the provider {node.accepted}: it may have {limit} sat at most")
        output.note("what is asked there goes to somebody whom you do not know: see policies")
    else:
        output.line(f"{node.url} is not paid any more; `wallet refund NAME` takes back what it has")
    return 0


def _name(settings: Settings, node: FoundNode, wanted: str | None, others: Any) -> str:
    taken = {each.name for each in settings.providers} | {"offline"}
    taken |= {each.accepted for each in others if each.url != node.url}
    host = node.url.split("//")[1].split("/")[0].replace(":", "-")
    name = wanted or node.accepted or host
    if name in taken or not name.replace("-", "").replace(".", "").replace("_", "").isalnum():
        raise UsageError(f"a provider cannot be called {name!r}", hint="give another --name")
    return name


def _told(node: FoundNode) -> dict[str, Any]:
    return {
        "url": node.url,
        "name": node.name,
        "mints": list(node.mints),
        "author": node.author or None,
        "source": node.source,
        "version": node.version or None,
        "provider": node.accepted or None,
        "topup_sats": node.topup_sat if node.accepted else None,
        "limit_sats": node.limit_sat if node.accepted else None,
    }
