"""Variables that tool handlers, people and steps share."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import InputError
from holdfast.storage.seam import Store
from holdfast.tasks import (
    Actor,
    Limits,
    NewTask,
    Task,
    Tasks,
    VariableConflict,
    VariableConflicts,
    Visibility,
)
from holdfast.tasks.events import VariablesChanged
from holdfast.tasks.evolving import merge_variables
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

CLIENT = Actor(by="eve", via="mcp", is_client=True)


async def work(tasks: Tasks, **variables: object) -> str:
    return (await tasks.create(NewTask(name="work", variables=variables))).id


async def values(tasks: Tasks, task_id: str) -> dict[str, object]:
    return {name: each.value for name, each in (await tasks.visible_variables(task_id)).items()}


async def test_a_change_merges_by_name_and_null_deletes(tasks: Tasks) -> None:
    task_id = await work(tasks, a={"x": 1, "y": 2}, b=1)
    await tasks.set_variables(task_id, {"a": {"x": 9}, "b": None, "c": "new"})
    assert await values(tasks, task_id) == {"a": {"x": 9}, "c": "new"}


@pytest.mark.promise("disjoint-variables-never-conflict")
async def test_changes_of_different_variables_never_conflict(tasks: Tasks) -> None:
    task_id = await work(tasks)
    async with asyncio.timeout(20):
        results = await asyncio.gather(
            *(
                tasks.set_variables(task_id, {f"v{number}": number}, expected={f"v{number}": 0})
                for number in range(32)
            )
        )
    assert all(isinstance(each, Task) for each in results)
    assert await values(tasks, task_id) == {f"v{number}": number for number in range(32)}


async def test_a_true_conflict_returns_both_values_and_changes_nothing(tasks: Tasks) -> None:
    task_id = await work(tasks, a=1, b=1)
    await tasks.set_variables(task_id, {"a": 2}, expected={"a": 1})
    answer = await tasks.set_variables(task_id, {"a": 3, "b": 3}, expected={"a": 1, "b": 1})
    assert isinstance(answer, VariableConflicts)
    assert answer.conflicts == [
        VariableConflict(name="a", expected=1, version=2, current=2, wanted=3)
    ]
    assert await values(tasks, task_id) == {"a": 2, "b": 1}


async def test_of_many_that_decided_on_one_version_one_wins(tasks: Tasks) -> None:
    task_id = await work(tasks, a=0)
    async with asyncio.timeout(20):
        results = await asyncio.gather(
            *(tasks.set_variables(task_id, {"a": n}, expected={"a": 1}) for n in range(32))
        )
    assert sum(isinstance(each, Task) for each in results) == 1


async def test_versions_grow_across_delete_and_set_again(tasks: Tasks) -> None:
    task_id = await work(tasks, a=1)
    await tasks.set_variables(task_id, {"a": None})
    answer = await tasks.set_variables(task_id, {"a": 5}, expected={"a": 0})
    assert isinstance(answer, VariableConflicts)
    assert answer.conflicts[0].version == 2
    task = await tasks.set_variables(task_id, {"a": 5}, expected={"a": 2})
    assert isinstance(task, Task)
    assert task.variables["a"].version == 3


async def test_a_schema_is_checked_on_what_comes_in(tasks: Tasks) -> None:
    task_id = await work(tasks)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    await tasks.set_variables(task_id, {"v": {"n": 1}}, schemas={"v": schema})
    with pytest.raises(
        InputError, match=r"'v' does not fit its schema: 'x' is not of type 'integer' \(at n\)"
    ):
        await tasks.set_variables(task_id, {"v": {"n": "x"}, "other": 1})
    assert await values(tasks, task_id) == {"v": {"n": 1}}
    with pytest.raises(InputError, match="the schema of the variable 'v' is no JSON Schema"):
        await tasks.set_variables(task_id, {}, schemas={"v": {"type": "nonsense"}})
    with pytest.raises(InputError, match="does not fit"):
        await tasks.set_variables(task_id, {}, schemas={"v": {"type": "string"}})
    await tasks.set_variables(task_id, {"v": None})
    with pytest.raises(InputError, match="does not fit"):
        await tasks.set_variables(task_id, {"v": 7})


async def test_a_schema_is_never_fetched(tasks: Tasks) -> None:
    task_id = await work(tasks)
    with pytest.raises(InputError, match="refers to"):
        await tasks.set_variables(
            task_id, {"v": 1}, schemas={"v": {"$ref": "http://127.0.0.1:9/schema.json"}}
        )


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (nested(11), "nested more than 10 deep"),
        ({"a": "é" * 40_000}, "a string of 80000 bytes; 65536 are allowed"),
        ({"k" * 70_000: 1}, "a string of 70000 bytes"),
        (["x" * 60_000] * 20, "would take .* bytes; 1048576 are allowed"),
        (float("inf"), "cannot be stored"),
        ({1, 2}, "cannot be stored"),
    ],
)
async def test_what_is_too_deep_or_too_large_is_refused(
    tasks: Tasks, value: object, error: str
) -> None:
    task_id = await work(tasks, kept=1)
    with pytest.raises(InputError, match=error):
        await tasks.set_variables(task_id, {"v": value})
    with pytest.raises(InputError, match=error):
        await tasks.create(NewTask(name="x", variables={"v": value}))
    assert await values(tasks, task_id) == {"kept": 1}
    await tasks.set_variables(task_id, {"v": nested(10)})


async def test_the_limit_is_on_all_variables_together(store: Store, clock: ManualClock) -> None:
    tasks = Tasks(store, clock=clock, limits=Limits(variables_bytes=100))
    task_id = await work(tasks, a="x" * 40)
    with pytest.raises(InputError, match="largest is 'a'"):
        await tasks.set_variables(task_id, {"b": "x" * 39, "c": "x" * 10})
    await tasks.set_variables(task_id, {"a": None, "b": "x" * 39})


async def test_a_client_sees_and_changes_what_it_may(tasks: Tasks) -> None:
    task_id = await work(tasks, secret=1, shown=2, free=3)
    await tasks.set_variables(
        task_id, {}, visibility={"secret": Visibility.SERVER, "shown": Visibility.READ}
    )
    client = tasks.acting(actor=CLIENT)
    assert await values(client, task_id) == {"shown": 2, "free": 3}
    assert "secret" not in (await client.get(task_id)).variables
    for name in ("secret", "shown"):
        with pytest.raises(InputError, match=f"'{name}' cannot be changed from here"):
            await client.set_variables(task_id, {name: 9})
    with pytest.raises(InputError, match="cannot be changed"):
        await client.set_variables(task_id, {}, schemas={"free": {}})
    with pytest.raises(InputError, match="cannot be changed"):
        await client.set_variables(task_id, {}, expected={"secret": 0})
    changed = await client.set_variables(task_id, {"free": 4, "own": 5})
    assert isinstance(changed, Task)
    assert "secret" not in changed.variables
    assert await values(tasks, task_id) == {"secret": 1, "shown": 2, "free": 4, "own": 5}


async def test_the_history_shows_a_client_no_more_than_the_task_does(tasks: Tasks) -> None:
    task_id = await work(tasks, secret="s3cret", free=1)
    await tasks.set_variables(task_id, {"secret": "s3cret2"})
    await tasks.set_variables(task_id, {}, visibility={"secret": Visibility.SERVER})
    client = tasks.acting(actor=CLIENT)
    assert "s3cret" not in str(await client.history(task_id))
    assert "s3cret2" in str(await tasks.history(task_id))
    assert await client.variable_history(task_id, "secret") == []


async def test_each_change_of_a_variable_is_remembered(tasks: Tasks, clock: ManualClock) -> None:
    task_id = await work(tasks, a=1)
    clock.advance(1)
    await tasks.acting(actor=Actor(by="bob")).set_variables(task_id, {"a": 2, "b": 1})
    await tasks.set_variables(task_id, {"a": None})
    changes = await tasks.variable_history(task_id, "a")
    assert [(each.version, each.value, each.by) for each in changes] == [
        (1, 1, "ann"),
        (2, 2, "bob"),
        (3, None, "ann"),
    ]


KEYS = st.sampled_from("abc")
CHANGES = st.dictionaries(KEYS, st.none() | st.integers(), max_size=3)


@settings(max_examples=100, deadline=None)
@given(st.lists(CHANGES, max_size=8))
def test_any_sequence_of_changes_is_a_shallow_merge(changes: list[dict[str, int | None]]) -> None:
    variables: dict[str, object] = {}
    merged: dict[str, object] = {}
    versions: dict[str, int] = {}
    for change in changes:
        variables = merge_variables(variables, VariablesChanged(at=0, values=change))  # type: ignore[arg-type,assignment]
        merged.update(change)
        merged = {name: value for name, value in merged.items() if value is not None}
        for name in change:
            versions[name] = versions.get(name, 0) + 1
    live = {name: each.value for name, each in variables.items() if not each.deleted}  # type: ignore[attr-defined]
    assert live == merged
    assert {name: each.version for name, each in variables.items()} == versions  # type: ignore[attr-defined]
