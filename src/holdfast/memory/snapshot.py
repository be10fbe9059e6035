"""One namespace as a mapping: `memory["key"]` reads, `await memory.write("key", …)` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Self

from holdfast.errors import EntryEnded, StorageUnavailable
from holdfast.memory.belief import State, state_of
from holdfast.memory.drafts import Draft, Secrets
from holdfast.memory.entry import Entry, Provenance, write_json
from holdfast.memory.memories import Memories
from holdfast.memory.namespaces import Namespace, parse_namespace
from holdfast.memory.writing import Written

_ROUNDS = 10


class Memory(Mapping[str, object]):
    """What is believed in one namespace, by key, as it was when it was loaded.

    ::

        memory = await Memory.open(memories, "agent:planner", provenance=Provenance(run=run_id))
        editor = memory["editor"]                           # no waiting: it was loaded
        await memory.write("editor", "We use Helix now.")   # stored, and seen here at once
        await memory.refresh()                              # what others wrote meanwhile

    Where several entries are believed about one key, the one that was recorded last is read, and
    `contradicted` names the key; `entries` gives all of them. Values are copies.
    """

    def __init__(self, memories: Memories, namespace: Namespace, *, provenance: Provenance) -> None:
        self._memories = memories
        self._namespace = namespace
        self._provenance = provenance
        self._entries: dict[str, list[Entry]] = {}

    @classmethod
    async def open(
        cls,
        memories: Memories,
        namespace: Namespace | str = "project",
        *,
        provenance: Provenance | None = None,
    ) -> Self:
        """Load a namespace. `provenance` is noted with everything that is written here.

        Raises:
            UsageError: the namespace is of no known kind, or lacks its name.
        """
        chosen = parse_namespace(namespace) if isinstance(namespace, str) else namespace
        memory = cls(memories, chosen, provenance=provenance or Provenance())
        await memory.refresh()
        return memory

    async def refresh(self) -> None:
        """Load what is believed now."""
        known = await self._memories.list(
            namespaces=[self._namespace], states=(State.CURRENT, State.UPCOMING)
        )
        loaded: dict[str, list[Entry]] = {}
        for each in known:  # the newest first
            if each.entry.key:
                loaded.setdefault(each.entry.key, []).append(each.entry)
        self._entries = loaded

    def __getitem__(self, key: str) -> object:
        return deepcopy(self.entry(key).value)

    def __iter__(self) -> Iterator[str]:
        return iter([key for key in self._entries if self.entries(key)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def entry(self, key: str) -> Entry:
        """Return the newest entry about a key.

        Raises:
            KeyError: nothing is believed about it.
        """
        entries = self.entries(key)
        if not entries:
            raise KeyError(key)
        return entries[0]

    def entries(self, key: str) -> tuple[Entry, ...]:
        """Return all entries that are believed about a key now, the newest first."""
        now = self._memories.clock.now_ms()
        known = self._entries.get(key, ())
        return tuple(each for each in known if state_of(each, now) is State.CURRENT)

    @property
    def contradicted(self) -> frozenset[str]:
        """The keys about which different things are believed."""
        return frozenset(
            key for key in self if len({write_json(each.value) for each in self.entries(key)}) > 1
        )

    async def write(
        self,
        key: str,
        value: object,
        *,
        supersede: bool = False,
        secrets: Secrets = "refuse",
        **details: Any,
    ) -> Written:
        """Remember a value under a key; `details` are further fields of a `Draft`.

        With `supersede` it takes the place of all that is believed about the key. Without, what
        differs from it stays too, and the answer names it.

        Raises:
            UsageError: it cannot be remembered so.
            SecretFound: it looks as if it held a key or a password.
        """
        said: dict[str, Any] = {"provenance": self._provenance, **details}
        draft = Draft(namespace=self._namespace, key=key, value=value, **said)
        written = await self._write(draft, secrets, supersede=supersede)
        gone = {each.id for each in written.superseded} | {written.entry.id}
        kept = [each for each in self._entries.get(key, []) if each.id not in gone]
        newest = [written.entry, *kept]
        self._entries[key] = sorted(newest, key=lambda each: (-each.recorded_at, each.id))
        return written

    async def _write(self, draft: Draft, secrets: Secrets, *, supersede: bool) -> Written:
        for _ in range(_ROUNDS):
            old = [each.id for each in self.entries(draft.key)] if supersede else []
            try:
                return await self._memories.write(draft, supersedes=old, secrets=secrets)
            except EntryEnded:  # somebody else was faster
                await self.refresh()
        raise StorageUnavailable(
            f"others superseded what is known about {draft.key!r} {_ROUNDS} times in a row",
            hint="try again; nothing was changed",
        )

    async def forget(self, key: str, *, why: str = "") -> None:
        """Forget all that is believed about a key.

        Raises:
            KeyError: nothing is believed about it.
        """
        entries = self.entries(key)
        if not entries:
            raise KeyError(key)
        for each in entries:
            await self._memories.forget(each.id, by=self._provenance.by, why=why)
            self._entries[key] = [one for one in self._entries[key] if one.id != each.id]
