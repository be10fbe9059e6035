"""One namespace as a mapping for workflows."""

from __future__ import annotations

import pytest

from holdfast.errors import UsageError
from holdfast.memory import Kind, Memory, Provenance
from tests.memory.desk import Desk


async def test_what_is_written_is_read_at_once_and_by_others_after_a_refresh(desk: Desk) -> None:
    memory = await Memory.open(desk.memories, "agent:a", provenance=Provenance(run="r1"))
    other = await Memory.open(desk.open(), "agent:a")
    written = await memory.write("editor", "helix", kind=Kind.PREFERENCE)
    assert memory["editor"] == "helix"
    assert written.entry.provenance.run == "r1"
    assert "editor" not in other
    await other.refresh()
    assert dict(other) == {"editor": "helix"}
    assert memory.get("nothing", 5) == 5
    with pytest.raises(KeyError, match="nothing"):
        memory["nothing"]


async def test_another_value_stays_beside_the_old_one_unless_it_supersedes(desk: Desk) -> None:
    memory = await Memory.open(desk.memories)
    await memory.write("port", 80)
    desk.clock.advance(1)
    written = await memory.write("port", 443)
    assert [each.value for each in written.contradicts] == [80]
    assert memory["port"] == 443
    assert [each.value for each in memory.entries("port")] == [443, 80]
    assert memory.contradicted == {"port"}
    desk.clock.advance(1)
    await memory.write("port", 8080, supersede=True)
    assert [each.value for each in memory.entries("port")] == [8080]
    assert memory.contradicted == frozenset()
    assert await desk.values() == [8080]


async def test_superseding_does_so_also_when_others_were_faster(desk: Desk) -> None:
    memory = await Memory.open(desk.memories)
    await memory.write("port", 80)
    await (await Memory.open(desk.open())).write("port", 81, supersede=True)
    await memory.write("port", 82, supersede=True)
    assert await desk.values() == [82]
    assert memory["port"] == 82


async def test_values_are_copies(desk: Desk) -> None:
    memory = await Memory.open(desk.memories)
    await memory.write("list", {"a": [1]})
    value = memory["list"]
    assert isinstance(value, dict)
    value["a"].append(2)
    assert memory["list"] == {"a": [1]}


async def test_what_expires_is_gone_without_a_refresh(desk: Desk) -> None:
    memory = await Memory.open(desk.memories)
    await memory.write("k", "v", expires_at=desk.clock.now_ms() + 1000)
    later = await memory.write("later", "v", valid_from=desk.clock.now_ms() + 1000)
    assert list(memory) == ["k"]
    desk.clock.advance(1)
    assert list(memory) == ["later"]
    assert memory.entry("later").id == later.entry.id
    assert len(memory) == 1


async def test_forgetting_a_key_forgets_all_that_is_believed_about_it(desk: Desk) -> None:
    memory = await Memory.open(desk.memories, provenance=Provenance(by="ann"))
    await memory.write("k", 1)
    await memory.write("k", 2)
    await memory.forget("k", why="wrong")
    assert "k" not in memory
    assert await desk.values() == []
    with pytest.raises(KeyError):
        await memory.forget("k")


async def test_a_wrong_namespace_is_told(desk: Desk) -> None:
    with pytest.raises(UsageError, match="no namespace"):
        await Memory.open(desk.memories, "nobody")
