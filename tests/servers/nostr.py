"""A Nostr relay that we did not write (`nostr-relay`), which keeps whatever it is given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from coincurve import PrivateKey

from tests.servers.environments import environment
from tests.servers.process import free_port, running

KIND = 38421
Event = dict[str, object]

# It checks nothing of what it is given, as a relay of somebody else may not.
SETTINGS = """
storage:
  sqlalchemy.url: sqlite+aiosqlite:///{folder}/relay.sqlite3
  validators: []
gunicorn:
  bind: 127.0.0.1:{port}
  workers: 1
"""


@dataclass(frozen=True, slots=True)
class NostrRelay:
    """A running relay."""

    url: str

    async def publish(self, *events: Event) -> list[bool]:
        """Give events to the relay, and return of each whether it says that it keeps it."""
        kept: list[bool] = []
        async with aiohttp.ClientSession() as session, session.ws_connect(self.url) as socket:
            for each in events:
                await socket.send_json(["EVENT", each])
                answer = await socket.receive_json()
                assert answer[0] == "OK", answer
                kept.append(answer[2])
        return kept


@contextmanager
def nostr_relay(folder: Path) -> Iterator[NostrRelay]:
    """Run a relay until the end of the block."""
    port = free_port()
    settings = folder / "relay.yaml"
    settings.write_text(SETTINGS.format(folder=folder, port=port))
    program = str(environment("nostr") / "nostr-relay")
    command = [program, "-c", str(settings), "serve", "--use-uvicorn"]
    with running(command, health=f"http://127.0.0.1:{port}/", log=folder / "log"):
        yield NostrRelay(f"ws://127.0.0.1:{port}/")


def announcement(
    author: int,
    at: int,
    *urls: str,
    place: str = "node",
    kind: int = KIND,
    content: str = "{}",
    tags: Sequence[Sequence[str]] = (),
    **changes: object,
) -> Event:
    """Return what a node says of itself, signed before `changes` are made to it."""
    secret = PrivateKey(author.to_bytes(32, "big"))
    key = secret.public_key.format()[1:].hex()
    named = [["d", place], *(["u", url] for url in urls), *map(list, tags)]
    told = json.dumps([0, key, at, kind, named, content], ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(told.encode()).digest()
    made: Event = {
        "id": digest.hex(), "pubkey": key, "created_at": at, "kind": kind, "tags": named,
        "content": content, "sig": secret.sign_schnorr(digest).hex(),
    }  # fmt: skip
    return {**made, **changes}
