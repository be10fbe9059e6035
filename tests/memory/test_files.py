"""Each entry is a readable file, and what a person edits in it is taken in or kept."""

from __future__ import annotations

import shutil

import pytest

from holdfast.memory import Change
from holdfast.storage.faces import Report
from tests.memory.desk import Desk


async def take_in(desk: Desk) -> Report:
    report = await desk.memories.take_in()
    assert report is not None
    return report


async def test_an_entry_is_a_markdown_file_that_says_all_of_it(desk: Desk) -> None:
    entry = (
        await desk.write(
            "Postgres.\n\nBecause of *JSON*.",
            key="database",
            kind="decision",
            reason="we know it",
            alternatives=("MySQL",),
            by="ann",
            within="agent:planner",
        )
    ).entry
    await desk.memories.write_files()
    path = desk.path_of(entry)
    assert path.name == f"agent,planner,database.{entry.id}.md"
    text = path.read_text()
    for line in (
        f'id: "{entry.id}"',
        'namespace: "agent:planner"',
        'kind: "decision"',
        'status: "accepted"',
        'alternatives: ["MySQL"]',
        'recorded_at: "2023-11-14T22:13:20.000Z"',
        'provenance: {"by": "ann"}',
    ):
        assert line in text.splitlines()
    assert text.endswith("---\n\nPostgres.\n\nBecause of *JSON*.\n")


async def test_files_are_written_when_the_memory_is_closed_and_only_for_what_lives(
    desk: Desk,
) -> None:
    async with desk.open() as memories:
        desk.memories = memories
        one = (await desk.write("one", key="k")).entry
        two = (await desk.write("two")).entry
        assert desk.files() == []
    assert len(desk.files()) == 2
    async with desk.open() as memories:
        three = (await memories.supersede(one.id, "three")).entry
        await memories.forget(two.id)
    assert desk.files() == [f"project,k.{three.id}.md"]
    desk.memories = desk.open()


async def test_only_the_files_of_what_changed_are_looked_at(desk: Desk) -> None:
    for number in range(5):
        await desk.write(f"n{number}")
    assert await desk.memories.write_files() == 5
    assert await desk.memories.write_files() == 0
    await desk.write("another")
    assert await desk.open().write_files() == 1
    shutil.rmtree(desk.folder)
    assert await desk.open().write_files() == 6


@pytest.mark.promise("hand-edit-kept")
async def test_an_edit_is_a_revision_and_the_old_text_stays_in_the_history(desk: Desk) -> None:
    entry = (await desk.write("Use vim", key="editor")).entry
    then = desk.clock.now_ms()
    await desk.memories.write_files()
    desk.edit(entry, "Use vim", "Use helix")
    report = await take_in(desk)
    assert len(report.applied) == 1
    assert await desk.values() == ["Use helix"]
    assert await desk.found("helix") == ["Use helix"]
    assert await desk.found("vim") == []
    events = await desk.memories.history(entry.id)
    assert [(each.change, each.by) for each in events] == [
        (Change.WRITTEN, ""),
        (Change.REVISED, "hand"),
    ]
    assert await desk.believed(then) == {"Use vim"}
    assert "Use helix" in desk.path_of(entry).read_text()
    assert (await take_in(desk)).findings == ()


async def test_an_edit_that_contradicts_is_flagged_too(desk: Desk) -> None:
    one = (await desk.write("80", key="port")).entry
    two = (await desk.write("443", key="tls-port")).entry
    await desk.memories.write_files()
    desk.edit(two, 'key: "tls-port"', 'key: "port"')
    assert len((await take_in(desk)).applied) == 1
    known = {each.entry.id: each.contradicted_by for each in await desk.memories.list()}
    assert known == {one.id: (two.id,), two.id: (one.id,)}
    assert (await desk.memories.get(two.id)).entry.contradicts == (one.id,)
    assert await desk.values(key="tls-port") == []
    assert len(await desk.values(key="port")) == 2


async def test_a_new_file_becomes_an_entry_once(desk: Desk) -> None:
    await desk.write("first")
    await desk.memories.write_files()
    text = '---\nkind: "preference"\nkey: "tabs"\nnamespace: "user:ann"\n---\n\nNo tabs, please.\n'
    (desk.folder / "note.md").write_text(text)
    desk.clock.advance(60)
    assert len((await take_in(desk)).applied) == 1
    (known,) = await desk.memories.list(key="tabs")
    assert known.entry.value == "No tabs, please."
    assert str(known.entry.namespace) == "user:ann"
    assert not (desk.folder / "note.md").exists()
    assert desk.path_of(known.entry).name == f"user,ann,tabs.{known.entry.id}.md"
    (desk.folder / "note.md").write_text(text)
    desk.clock.advance(60)
    report = await take_in(desk)
    assert len(await desk.memories.list(key="tabs")) == 1
    assert report.findings


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind: "fact"', 'kind: "opinion"', "must be one of fact, decision"),
        ('id: "', 'id: "0', "'id' cannot be edited"),
        ('namespace: "project"', 'namespace: "agent:a"', "'namespace' cannot be edited"),
        ('key: "k"', 'key: "k"\ncolour: "red"', "'colour' is unknown"),
        ('key: "k"', "key: 5", "'key' must be a text"),
        ('key: "k"', 'key: "k"\nvalid_until: "soon"', "'soon' is no time"),
        ('provenance: {"by": "ann"}', 'provenance: {"who": "ann"}', "has no 'who'"),
        ("the text", "", "nothing to remember"),
        ("the text", "password: tr0ub4dor&3", "looks like a password"),
        ('key: "k"', 'key: "k"\nreason: "x"', "belong to the kind `decision`"),
    ],
)
async def test_an_edit_that_cannot_be_is_refused_and_kept(
    desk: Desk, old: str, new: str, said: str
) -> None:
    entry = (await desk.write("the text", key="k", by="ann")).entry
    await desk.memories.write_files()
    desk.edit(entry, old, new)
    edited = desk.path_of(entry).read_text()
    (finding,) = (await take_in(desk)).refused
    assert said in finding.sentence
    assert finding.kept is not None
    assert finding.kept.read_text() == edited
    assert await desk.values() == ["the text"]
    assert "the text" in desk.path_of(entry).read_text()
    assert len(await desk.memories.history(entry.id)) == 1


async def test_a_broken_file_is_put_in_quarantine_and_reported(desk: Desk) -> None:
    entry = (await desk.write("the text", key="k")).entry
    await desk.memories.write_files()
    path = desk.path_of(entry)
    path.write_text("no fields at all")
    desk.clock.advance(10_000_000_000)  # files have the time of the machine
    (finding,) = (await take_in(desk)).quarantined
    assert "the first line must be '---'" in finding.sentence
    assert finding.kept is not None
    assert finding.kept.read_text() == "no fields at all"
    assert "the text" in path.read_text()


async def test_an_edit_of_an_entry_that_was_superseded_meanwhile_is_kept(desk: Desk) -> None:
    entry = (await desk.write("old", key="k")).entry
    await desk.memories.write_files()
    desk.edit(entry, "old", "edited")
    await desk.memories.supersede(entry.id, "new")
    await desk.memories.write_files()
    (finding,) = (await take_in(desk)).conflicts
    assert finding.kept is not None
    assert "edited" in finding.kept.read_text()
    assert await desk.values() == ["new"]


async def test_a_file_of_another_store_is_left_alone(desk: Desk) -> None:
    entry = (await desk.write("mine", key="k")).entry
    await desk.memories.write_files()
    foreign = desk.folder / "project,other.md"
    foreign.write_text(desk.path_of(entry).read_text().replace(entry.id, "f" * 32))
    desk.clock.advance(60)
    (finding,) = (await take_in(desk)).unknown
    assert "not in this store" in finding.sentence
    assert foreign.exists()
    assert len(await desk.values()) == 1


async def test_a_secret_that_was_allowed_does_not_stand_in_the_way_of_an_edit(desk: Desk) -> None:
    entry = (await desk.write("password: tr0ub4dor&3 here", secrets="allow")).entry
    await desk.memories.write_files()
    desk.edit(entry, "here", "there")
    assert len((await take_in(desk)).applied) == 1
    assert await desk.values() == ["password: tr0ub4dor&3 there"]


async def test_where_nothing_was_remembered_no_folder_is_made(desk: Desk) -> None:
    assert (await take_in(desk)).findings == ()
    await desk.memories.write_files()
    assert not desk.folder.exists()


async def test_a_memory_without_a_folder_has_no_files(desk: Desk) -> None:
    memories = desk.open(folder=None)
    desk.memories = memories
    await desk.write("x")
    assert await memories.take_in() is None
    assert await memories.write_files() == 0
    assert desk.files() == []
