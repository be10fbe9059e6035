"""A Cashu mint that we did not write (`cashu`, called Nutshell), with Lightning that pays by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.environments import environment
from tests.servers.process import free_port, running


@dataclass(frozen=True, slots=True)
class CashuMint:
    """A running mint. It takes `fee_ppk` thousandths of a sat for each coin that comes in."""

    url: str
    folder: Path
    fee_ppk: int

    def wallet(self, *words: str) -> tuple[list[str], dict[str, str]]:
        """Return a command of the wallet of the same package, and its environment."""
        environ = {
            "MINT_URL": self.url,
            "CASHU_DIR": str(self.folder / "wallets"),
            "TOR": "FALSE",
        }
        return [str(environment("cashu") / "cashu"), "-y", *words], environ


@contextmanager
def cashu_mint(folder: Path, *, fee_ppk: int = 100, pays: bool = True) -> Iterator[CashuMint]:
    """Run a mint until the end of the block; without `pays` nobody pays its invoices."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {
        "CASHU_DIR": str(folder),
        "MINT_DATABASE": str(folder / "mint"),
        "MINT_PRIVATE_KEY": "only-for-tests",
        "MINT_BACKEND_BOLT11_SAT": "FakeWallet",
        "MINT_RATE_LIMIT": "FALSE",
        "MINT_INPUT_FEE_PPK": str(fee_ppk),
        "FAKEWALLET_DELAY_INCOMING_PAYMENT": "0",
        "FAKEWALLET_BRR": "TRUE" if pays else "FALSE",
        "FAKEWALLET_DELAY_OUTGOING_PAYMENT": "0",
        "TOR": "FALSE",
    }
    command = [str(environment("cashu") / "mint"), "--host", "127.0.0.1", "--port", str(port)]
    with running(command, health=f"{url}/v1/info", log=folder / "log", environ=environ):
        yield CashuMint(url, folder, fee_ppk)
