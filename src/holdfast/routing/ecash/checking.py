"""Look after a wallet: finish what was left behind, and compare every coin with what its mint says."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.errors import MintRefused, WalletError
from holdfast.frozen import frozen
from holdfast.routing.cost import format_msat
from holdfast.routing.ecash.coins import MSAT
from holdfast.routing.ecash.prepaying import Prepaying
from holdfast.routing.ecash.records import WALLET, Kind, Operation, Phase, State
from holdfast.routing.ecash.wallet import Wallet

_UNFINISHED = (Phase.EXCHANGING, Phase.ASKING)


@frozen
class Checked:
    """Sentences about what was put in order, and about what is not."""

    done: Sequence[str] = ()
    problems: Sequence[str] = ()


async def check(wallet: Wallet) -> Checked:
    """Put in order what can be, and tell what cannot. No money moves but that which was on its way."""
    done: list[str] = []
    problems: list[str] = []
    async with wallet.working():
        for operation in wallet.store.open_operations():
            done += await _finish(wallet, operation)
        for url in sorted({each.mint for each in wallet.store.holdings()}):
            try:
                done += await _check_mint(wallet, url)
            except WalletError as error:
                problems.append(error.message)
        problems += [
            f"operation {each.id} ({each.kind}) is not finished: {each.phase}"
            for each in wallet.store.open_operations()
            if each.phase in _UNFINISHED
        ]
    return Checked(done=done, problems=problems)


async def look_after(node: Prepaying) -> Checked:
    """Finish what was left behind at a node, and find out what requests cost that nobody saw the end of."""
    done: list[str] = []
    try:
        async with node.working():
            await node.settle()
        if number := await node.explain():
            done.append(f"{number} requests to node {node.name!r} of unknown cost are debited now")
        standing = await node.standing()
    except WalletError as error:
        return Checked(done=done, problems=[error.message])
    if not standing.missing_msat:
        return Checked(done=done)
    told = format_msat(standing.missing_msat)
    return Checked(done=done, problems=[f"node {node.name!r} took {told} more than it charged for"])


def faults_of(wallet: Wallet) -> list[str]:
    """Return a sentence for everything in the file that does not add up; no mint is asked."""
    store = wallet.store
    faults = [
        f"the bookings of operation {number} come to {msat} msat"
        for number, msat in store.unbalanced().items()
    ]
    ours = (State.OURS, State.HELD)
    coins = sum(each.amount for each in store.holdings() if each.state in ours) * MSAT
    booked = store.account(WALLET)
    if coins != booked:
        faults.append(f"the coins come to {coins} msat, the account to {booked} msat")
    return faults


async def _finish(wallet: Wallet, operation: Operation) -> list[str]:
    named = f"operation {operation.id} ({operation.kind})"
    try:
        now = operation
        if now.phase is Phase.AWAITING:
            now = await wallet.begin_issue(now)
        if now.phase is Phase.EXCHANGING:
            now = await wallet.exchange.finish(now)
    except MintRefused as error:
        return [f"{named} failed: {error.message}"]
    except WalletError:
        return []  # it stays open, and is told of as such
    return [] if now.phase is operation.phase else [f"{named} is {now.phase} now"]


async def _check_mint(wallet: Wallet, url: str) -> list[str]:
    return [
        *await _check_ours(wallet, url),
        *await _check_given(wallet, url),
        *await _recover(wallet, url),
    ]


async def _check_ours(wallet: Wallet, url: str) -> list[str]:
    """Write off what the mint holds for spent."""
    coins = wallet.store.coins(url, State.OURS)
    states = await wallet.exchange.mint(url).states(coins) if coins else []
    spent = [coin for coin, state in zip(coins, states, strict=True) if state == "SPENT"]
    return [wallet.exchange.write_off(url, spent)] if spent else []


async def _check_given(wallet: Wallet, url: str) -> list[str]:
    """Note which tokens their receivers spent."""
    done: list[str] = []
    for each in wallet.store.open_operations():
        if each.mint != url or (each.kind, each.phase) != (Kind.SEND, Phase.GIVEN):
            continue
        coins = wallet.store.coins_of(each.id, State.GIVEN)
        states = await wallet.exchange.mint(url).states(coins)
        if all(state == "SPENT" for state in states):
            wallet.exchange.note_taken(each)
            done.append(f"the token of operation {each.id} was taken by its receiver")
    return done


async def _recover(wallet: Wallet, url: str) -> list[str]:
    """Take in what the mint signed for operations that were given up."""
    done: list[str] = []
    for number in wallet.store.operations_with_blanks():
        operation = wallet.operation(number)
        if operation.mint == url and (amount := await wallet.exchange.recover(operation)):
            done.append(f"{amount} sat of operation {number}, which had failed, are back")
    return done
