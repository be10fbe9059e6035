"""Look after the wallet and all the balances that are paid from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.app.services import open_ledger
from holdfast.app.wallets import nodes_of, open_wallet, prepaying_of
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.routing.ecash.checking import Checked


async def check_wallet(settings: Settings) -> Checked:
    """Put the wallet and the balances at all nodes in order, and tell what does not add up."""
    from holdfast.routing.ecash.checking import (  # noqa: PLC0415 - needs an extra
        Checked,
        check,
        faults_of,
        look_after,
    )

    async with open_wallet(settings) as wallet, open_ledger(settings) as ledger:
        checked = await check(wallet)
        nodes = [prepaying_of(wallet, each, ledger) for each in nodes_of(settings)]
        looked = [checked, *[await look_after(each) for each in nodes]]
        problems = [problem for each in looked for problem in each.problems]
        return Checked(
            done=[done for each in looked for done in each.done],
            problems=[*problems, *faults_of(wallet)],
        )
