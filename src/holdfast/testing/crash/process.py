"""The program that writers run in: `python -m holdfast.testing.crash.process`.

It takes orders, one JSON object a line, and forks a writer for each: a fork is there in
milliseconds, where a fresh Python is not. With an order as its argument it is the writer itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import NoReturn

from holdfast.clock import SystemClock
from holdfast.storage.opening import open_store
from holdfast.testing.crash.writer import Order, tell, write


def take_orders() -> None:
    """Fork a writer for every order that comes, until there are no more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        if "mark" in order:
            tell(f"0 mark {order['mark']}")
            continue
        # Its modules are loaded once here and not in each fork.
        open_store(order["url"], clock=SystemClock())
        writer = os.fork()
        if writer == 0:
            _be_writer(Order(**order))
        tell(f"0 started {order['name']} {writer}")


def _be_writer(order: Order) -> NoReturn:
    """Write and end, without what a process does for its parent at the end."""
    code = 1
    try:
        os.close(sys.stdin.fileno())
        code = asyncio.run(write(order))
    except BaseException as error:  # noqa: BLE001 - told to who gave the order
        tell(f"0 bug {order.name} {error!r}"[:1000].replace("\n", " "))
    finally:
        os._exit(code)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(asyncio.run(write(Order(**json.loads(sys.argv[1])))))
    take_orders()
