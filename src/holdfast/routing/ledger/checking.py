"""Check that a ledger adds up: each debit against its charges, each tally against its requests."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from holdfast.routing.ledger.booking import IN_DOUBT, OPEN, RELEASED, SETTLED, Row
from holdfast.routing.ledger.entries import Scope
from holdfast.routing.ledger.file import QUERIES


def find_faults(connection: sqlite3.Connection) -> Sequence[str]:
    """Return a sentence for everything that does not add up, in one moment of the file."""
    connection.execute("BEGIN")
    try:
        wrong = connection.execute(QUERIES["wrong_debits"]).fetchall()
        expected = _expected(connection)
        found = {
            Scope(*row[:2]): tuple(row[2:]) for row in connection.execute(QUERIES["all_tallies"])
        }
    finally:
        connection.execute("COMMIT")
    faults = [
        f"request {request} was debited {debit} msat and charged {charges} msat"
        for request, debit, charges in wrong
    ]
    nothing = (0,) * 6
    for scope in sorted(expected.keys() | found.keys()):
        told, true = found.get(scope, nothing), tuple(expected.get(scope, nothing))
        if told != true:
            faults.append(
                f"the tally of {scope.kind} {scope.name!r} is {told}, its requests are {true}"
            )
    return faults


def _expected(connection: sqlite3.Connection) -> dict[Scope, list[int]]:
    """Return settled, reserved, in doubt, unknown msat, requests and unknown requests by scope."""
    sums: dict[Scope, list[int]] = defaultdict(lambda: [0] * 6)
    for row in map(Row._make, connection.execute(QUERIES["all_requests"])):
        for scope in row.scopes:
            tally = sums[scope]
            tally[0] += row.debit
            if row.state != RELEASED:
                tally[{OPEN: 1, IN_DOUBT: 2, SETTLED: 3}[row.state]] += row.held
            tally[4] += row.state in (SETTLED, IN_DOUBT)
            tally[5] += bool(row.unknown)
    return sums
