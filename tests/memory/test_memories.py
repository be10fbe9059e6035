"""Write, read, supersede, forget: what is known is never overwritten and never lost."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from holdfast.errors import EntryEnded, EntryNotFound, SecretFound, UsageError
from holdfast.memory import Change, Draft, Kind, Provenance, Standing, State, parse_namespace
from tests.memory.desk import Desk

MAX_VALUE_BYTES = 256 * 1024


async def test_what_was_written_can_be_read_by_id_and_by_its_beginning(desk: Desk) -> None:
    said = Provenance(by="ann", run="r1", source="notes.md", source_hash="ab", confidence=0.8)
    written = await desk.write(
        "Use Helix", key="editor", kind="preference", title="Editor", provenance=said
    )
    entry = (await desk.memories.get(written.entry.id[:8])).entry
    assert entry == written.entry == (await desk.memories.get(written.entry.id)).entry
    assert (entry.value, entry.key, entry.kind) == ("Use Helix", "editor", Kind.PREFERENCE)
    assert entry.provenance == said
    assert entry.recorded_at == desk.clock.now_ms() - 1000


async def test_an_unknown_or_ambiguous_id_is_told(desk: Desk) -> None:
    for number in range(20):
        await desk.write(f"n{number}")
    with pytest.raises(EntryNotFound, match="no entry of the memory has the id 'zz'"):
        await desk.memories.get("zz")
    with pytest.raises(EntryNotFound, match="no entry"):
        await desk.memories.get("0" * 32)
    ids = [each.entry.id for each in await desk.memories.list()]
    digit = max("0123456789abcdef", key=lambda each: sum(id_.startswith(each) for id_ in ids))
    with pytest.raises(EntryNotFound, match=r"entries have ids that begin with"):
        await desk.memories.get(digit)


async def test_the_longest_names_fit(desk: Desk) -> None:
    widest = "\U0001f40b"
    expires_at = desk.clock.now_ms() + 10_000
    written = await desk.write(
        "x", within=f"agent:{widest * 64}", key=widest * 128, expires_at=expires_at
    )
    letters = await desk.write("y", within=f"agent:{'ǅ' * 64}", key="ǅ" * 128)
    await desk.memories.write_files()
    assert len(desk.files()) == 2
    assert await desk.values(key=widest * 128) == ["x"]
    assert (await desk.memories.get(letters.entry.id)).entry.key == "ǅ" * 128
    desk.clock.advance(10)
    await desk.memories.write_files()
    assert (await desk.memories.get(written.entry.id)).state is State.EXPIRED
    assert len(desk.files()) == 1


@pytest.mark.parametrize("value", ["text", 5, 1.5, True, ["a", 1], {"a": {"b": None}}])
async def test_any_json_value_can_be_remembered(desk: Desk, value: object) -> None:
    written = await desk.write(value, key="k")
    assert (await desk.memories.get(written.entry.id)).entry.value == value


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"value": ""}, "nothing to remember"),
        ({"value": None}, "nothing to remember"),
        ({"value": float("nan")}, "cannot be remembered"),
        ({"value": {1: "a"}}, "not what JSON would give back"),
        ({"value": {1, 2}}, "cannot be remembered"),
        ({"value": "x" * (MAX_VALUE_BYTES + 1)}, f"{MAX_VALUE_BYTES} are allowed"),
        ({"value": "x", "key": "k" * 129}, "129 characters; 128 are allowed"),
        ({"value": "x", "key": "a\nb"}, "cannot be printed"),
        ({"value": "x", "key": " a"}, "white space"),
        ({"value": "x", "reason": "because"}, "has no reason"),
        ({"value": "x", "valid_from": 5, "valid_until": 5}, "not after"),
        ({"value": "x", "expires_at": 5}, "expired before it is written"),
        ({"value": "x", "provenance": Provenance(confidence=1.5)}, "from 0 to 1"),
        ({"value": "x", "provenance": Provenance(confidence=float("nan"))}, "from 0 to 1"),
    ],
)
async def test_what_cannot_be_remembered_is_refused_and_nothing_is_stored(
    desk: Desk, said: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        await desk.memories.write(Draft(**said))
    assert await desk.memories.list() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("team:x", "no namespace"),
        ("agent", "lacks a name"),
        ("project:x", "has no name"),
        ("agent:" + "x" * 65, "cannot be used"),
        ("agent:a\tb", "cannot be used"),
    ],
)
def test_a_wrong_namespace_is_told(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_namespace(text)


async def test_namespaces_do_not_see_one_another(desk: Desk) -> None:
    for within in ("project", "agent:a", "agent:a/b", "user:a", "node:a/b"):
        await desk.write(f"in {within}", within=within, key="k")
    for within in ("project", "agent:a", "agent:a/b", "user:a", "node:a/b"):
        chosen = [parse_namespace(within)]
        assert await desk.values(namespaces=chosen) == [f"in {within}"]
        assert await desk.found("in", namespaces=chosen) == [f"in {within}"]
    assert len(await desk.values()) == 5
    assert all(not each.contradicted_by for each in await desk.memories.list())


async def test_a_decision_keeps_its_reason_and_the_alternatives(desk: Desk) -> None:
    written = await desk.write(
        "Postgres", kind="decision", reason="we know it", alternatives=("MySQL", "SQLite")
    )
    assert written.entry.standing is Standing.ACCEPTED
    proposed = await desk.write("Redis", kind="decision", standing=Standing.PROPOSED)
    assert proposed.entry.standing is Standing.PROPOSED
    assert await desk.found("mysql") == ["Postgres"]


async def test_superseding_puts_another_entry_in_its_place_and_keeps_the_old_one(
    desk: Desk,
) -> None:
    old = (await desk.write("vim", key="editor", by="ann")).entry
    new = await desk.memories.supersede(old.id, "helix", provenance=Provenance(by="bob"))
    assert (new.entry.key, new.entry.supersedes) == ("editor", (old.id,))
    assert [each.id for each in new.superseded] == [old.id]
    assert new.contradicts == ()
    assert await desk.values() == ["helix"]
    assert await desk.found("vim") == []
    known = await desk.memories.get(old.id)
    assert known.state is State.SUPERSEDED
    assert known.entry.superseded_by == new.entry.id
    assert known.entry.value == "vim"
    assert known.entry.ended_by == "bob"
    states = list(State)
    assert await desk.values(states=states) == ["helix", "vim"]
    assert set(await desk.found("vim helix", states=states)) == {"helix", "vim"}
    with pytest.raises(EntryEnded, match="was superseded by"):
        await desk.memories.supersede(old.id, "emacs")


async def test_the_history_tells_the_whole_chain_from_any_of_its_entries(desk: Desk) -> None:
    one = (await desk.write("one", key="k")).entry
    two = (await desk.memories.supersede(one.id, "two")).entry
    desk.clock.advance(1)
    three = (await desk.memories.supersede(two.id, "three")).entry
    desk.clock.advance(1)
    await desk.memories.forget(three.id, by="ann", why="wrong")
    expected = [
        (Change.WRITTEN, "one"),
        (Change.SUPERSEDED, "one"),
        (Change.WRITTEN, "two"),
        (Change.SUPERSEDED, "two"),
        (Change.WRITTEN, "three"),
        (Change.FORGOTTEN, "three"),
    ]
    for entry in (one, two, three):
        events = await desk.memories.history(entry.id)
        assert sorted((each.change, each.entry.value) for each in events) == sorted(expected)
        assert [each.at for each in events] == sorted(each.at for each in events)
        assert (events[-1].by, events[-1].why) == ("ann", "wrong")


async def test_forgetting_leaves_a_tombstone(desk: Desk) -> None:
    entry = (await desk.write("the kelp grows", key="k")).entry
    await desk.memories.forget(entry.id, by="ann", why="not so")
    assert await desk.values() == await desk.found("kelp") == []
    known = await desk.memories.get(entry.id)
    assert known.state is State.FORGOTTEN
    assert (known.entry.ended_by, known.entry.why) == ("ann", "not so")
    with pytest.raises(EntryEnded, match="was forgotten"):
        await desk.memories.forget(entry.id)
    again = await desk.write("the kelp grows", key="k")
    assert again.is_new


async def test_another_value_for_one_subject_is_kept_and_both_are_flagged(desk: Desk) -> None:
    one = (await desk.write("port 80", key="port")).entry
    other = await desk.write("port 443", key="port")
    assert [each.id for each in other.contradicts] == [one.id]
    assert other.entry.contradicts == (one.id,)
    known = {each.entry.id: each.contradicted_by for each in await desk.memories.list()}
    assert known == {one.id: (other.entry.id,), other.entry.id: (one.id,)}
    assert (await desk.memories.get(one.id)).contradicted_by == (other.entry.id,)
    settled = await desk.write("port 443", key="port", supersedes=[one.id, other.entry.id])
    assert settled.contradicts == ()
    assert [each.contradicted_by for each in await desk.memories.list()] == [()]


async def test_values_for_times_that_do_not_overlap_are_no_contradiction(desk: Desk) -> None:
    now = desk.clock.now_ms()
    day = 86_400_000
    await desk.write("Ann", key="lead", valid_until=now + day)
    later = await desk.write("Bob", key="lead", valid_from=now + day)
    assert later.contradicts == ()
    assert await desk.values(key="lead") == ["Ann"]
    desk.clock.advance(86_400)
    assert await desk.values(key="lead") == ["Bob"]
    overlapping = await desk.write("Cleo", key="lead", valid_from=now + 2 * day)
    assert [each.value for each in overlapping.contradicts] == ["Bob"]


async def test_writing_the_same_again_confirms_it(desk: Desk) -> None:
    one = await desk.write("port 80", key="port", by="ann")
    again = await desk.write("port 80", key="port", by="bob")
    assert (again.is_new, again.entry.id) == (False, one.entry.id)
    assert len(await desk.memories.list()) == 1
    events = await desk.memories.history(one.entry.id)
    assert [(each.change, each.by) for each in events] == [
        (Change.WRITTEN, "ann"),
        (Change.CONFIRMED, "bob"),
    ]
    number = await desk.write(80, key="n")
    assert (await desk.write("80", key="n")).contradicts == (number.entry,)


async def test_what_expires_is_absent_from_that_millisecond_on(desk: Desk) -> None:
    start = desk.clock.now_ms()
    written = await desk.write("soon gone", key="k", expires_at=start + 5000)
    desk.clock.advance(3.999)
    assert await desk.values() == await desk.found("gone") == ["soon gone"]
    desk.clock.advance(0.001)
    assert await desk.values() == await desk.found("gone") == []
    assert (await desk.memories.get(written.entry.id)).state is State.EXPIRED
    assert await desk.values(states=[State.EXPIRED]) == ["soon gone"]
    assert (await desk.write("other", key="k")).contradicts == ()
    await desk.memories.write_files()
    assert (await desk.memories.get(written.entry.id)).state is State.EXPIRED
    assert await desk.values(states=list(State)) == ["other", "soon gone"]
    with pytest.raises(EntryEnded, match="has expired"):
        await desk.memories.forget(written.entry.id)
    assert await desk.believed(start + 4999) == {"soon gone"}
    assert await desk.believed(start + 5000) == {"other"}


async def test_a_clock_that_goes_back_leaves_no_moment_with_both_or_none(desk: Desk) -> None:
    start = desk.clock.now_ms()
    old = (await desk.write("old", key="k")).entry
    desk.clock.advance(-60)
    await desk.memories.supersede(old.id, "new")
    desk.clock.advance(120)
    for moment in (start, start + 1, desk.clock.now_ms()):
        assert await desk.believed(moment) == {"new"}
    assert await desk.believed(start - 1) == set()


async def test_of_many_that_supersede_at_once_one_does(desk: Desk) -> None:
    old = (await desk.write("old", key="k")).entry
    refused = list[str]()

    async def supersede(number: int) -> None:
        try:
            await desk.open().supersede(old.id, f"new {number}")
        except EntryEnded as error:
            refused.append(error.message)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for number in range(16):
                group.start_soon(supersede, number)
    assert len(refused) == 15
    assert len(await desk.values()) == 1


async def test_many_write_at_once_and_nothing_is_lost(desk: Desk) -> None:
    async def write(number: int) -> None:
        await desk.open().write(Draft(key="k", value=f"v{number}"))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(write, number)
    known = await desk.memories.list()
    assert {each.entry.value for each in known} == {f"v{number}" for number in range(20)}
    assert all(len(each.contradicted_by) == 19 for each in known)


SECRETS = (
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    "sk-proj-" + "aB3dE" * 8,
    "postgres://ann:hunter22@db/x",
    "password: tr0ub4dor&3",
    'api_key = "9f86d081884c7d659a2f"',
)


@pytest.mark.parametrize("secret", SECRETS)
async def test_a_secret_is_refused_and_not_repeated(desk: Desk, secret: str) -> None:
    text = f"first line\nuse {secret} there"
    with pytest.raises(SecretFound, match="line 2 of the text looks like") as refused:
        await desk.write(text)
    word = secret.rsplit(maxsplit=1)[-1]
    assert word not in refused.value.message + refused.value.hint
    assert await desk.memories.list() == []
    with pytest.raises(SecretFound):
        await desk.write({"deep": [text]})
    with pytest.raises(SecretFound, match="of the reason"):
        await desk.write("x", kind="decision", reason=text)
    redacted = await desk.write(text, secrets="redact")
    assert redacted.redacted >= 1
    assert "[redacted]" in redacted.entry.text
    assert "hunter22" not in redacted.entry.text
    allowed = await desk.write(text, secrets="allow")
    assert allowed.entry.value == text


@pytest.mark.parametrize(
    "text",
    [
        "the password is in the vault",
        "password: $DB_PASSWORD",
        "token: <your token>",
        "see https://example.org/a:b@c",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "the secret: keep functions short",
        "max_tokens: 4096",
    ],
)
async def test_what_only_speaks_of_secrets_is_stored(desk: Desk, text: str) -> None:
    assert (await desk.write(text)).entry.value == text
