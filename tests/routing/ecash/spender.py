"""A process that asks a node for answers until it has asked often enough, or is killed.

`python -m tests.routing.ecash.spender FOLDER NODE MINT TIMES`: says `asked` after each.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from holdfast.routing.config import Prepaid
from tests.routing.ecash.test_nodes import paying, request
from tests.servers.routstr import Node

AT_ONCE = 4


async def spend(folder: Path, url: str, mint: str, times: int) -> None:
    """Ask so often, a few at once."""
    async with paying(folder, Node(url=url, mint=mint), Prepaid(topup_sat=20, limit_sat=60)) as at:
        router = at[0]

        async def ask(number: int) -> None:
            for _ in range(number, times, AT_ONCE):
                await router.complete(request(30))
                print("asked", flush=True)  # noqa: T201 - that is how it speaks

        await asyncio.gather(*(ask(number) for number in range(AT_ONCE)))


if __name__ == "__main__":
    folder, url, mint, times = sys.argv[1:]
    asyncio.run(spend(Path(folder), url, mint, int(times)))
