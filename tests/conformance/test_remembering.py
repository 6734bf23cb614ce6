"""Memories: versions, conflicts, what goes and comes back, what is found and why."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.audit import Action
from abathur.domain.errors import ConflictError, InvalidInputError, NotFoundError
from abathur.domain.memories import Memory, MemoryRules, MemoryType, NewMemory
from abathur.domain.retention import PROMOTED
from abathur.ports.memory import MemoryFilter
from abathur.services import remembering, searching, verifying
from abathur.services.remembering import MemoryChange
from abathur.services.searching import MemoryHit

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

BUILD = "project:build"
BOB = "mcp:bob"


async def add(queue: Queue, key: str, value: Any = "text", **fields: Any) -> Memory:
    new = NewMemory(**{"namespace": BUILD, "key": key, "value": value, **fields})
    return await queue.write(remembering.add, new, actor=BOB, now=queue.now)


async def get(queue: Queue, key: str) -> Memory:
    return await queue.read(remembering.get, BUILD, key, now=queue.now)


async def update(queue: Queue, key: str, value: Any, **change: Any) -> Memory:
    return await queue.write(
        remembering.update,
        BUILD,
        key,
        MemoryChange(value=value, **change),
        updated_by=BOB,
        actor=BOB,
        now=queue.now,
    )


async def delete(queue: Queue, key: str) -> bool:
    return await queue.write(remembering.delete, BUILD, key, actor=BOB, now=queue.now)


async def restore(queue: Queue, key: str, version: int | None = None) -> Memory:
    return await queue.write(
        remembering.restore, BUILD, key, version=version, actor=BOB, now=queue.now
    )


async def find(queue: Queue, text: str, **where: Any) -> list[MemoryHit]:
    found = await queue.read(searching.search_memories, text, MemoryFilter(**where), now=queue.now)
    return list(found)


async def keys(queue: Queue, text: str, **where: Any) -> list[str]:
    return [hit.memory.key for hit in await find(queue, text, **where)]


async def assert_sound(queue: Queue) -> None:
    assert await queue.db.check(full=True) == []
    assert list(map(str, (await queue.read(verifying.verify)).breaks)) == []


async def test_every_version_can_be_read_and_the_latest_one_is_the_default(queue: Queue) -> None:
    first = await add(queue, "flags", {"cc": "gcc"}, metadata={"seen": 1}, created_by="alice")
    second = await update(queue, "flags", {"cc": "clang"}, expected_version=1)
    assert await get(queue, "flags") == second
    assert (second.version, second.value, second.metadata) == (2, {"cc": "clang"}, {"seen": 1})
    assert (second.created_by, second.updated_by, second.id) == ("alice", BOB, first.id)
    versions = await queue.read(remembering.history, BUILD, "flags")
    assert [(one.version, one.value) for one in versions] == [
        (1, {"cc": "gcc"}),
        (2, {"cc": "clang"}),
    ]
    assert await queue.read(remembering.version_of, BUILD, "flags", 1) == versions[0]
    await assert_sound(queue)


async def test_the_second_of_two_writers_is_told_of_the_first(queue: Queue) -> None:
    await add(queue, "flags")
    await update(queue, "flags", "mine", expected_version=1)
    with pytest.raises(ConflictError, match="version 2, not 1"):
        await update(queue, "flags", "yours", expected_version=1)
    assert (await get(queue, "flags")).value == "mine"


async def test_of_many_updates_at_once_none_is_lost(queue: Queue) -> None:
    await add(queue, "flags")
    await asyncio.gather(*(update(queue, "flags", {"n": n}) for n in range(8)))
    versions = await queue.read(remembering.history, BUILD, "flags")
    assert [one.version for one in versions] == list(range(1, 10))
    assert {one.value["n"] for one in versions[1:]} == set(range(8))


async def test_of_two_that_add_the_same_key_one_is_refused(queue: Queue) -> None:
    done = await asyncio.gather(
        *(add(queue, "flags", {"n": n}) for n in range(2)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["ConflictError", "Memory"]


async def test_a_deleted_memory_is_in_no_answer_and_comes_back_as_it_was(queue: Queue) -> None:
    await add(queue, "flags", "use clang")
    assert await delete(queue, "flags")
    assert not await delete(queue, "flags")
    with pytest.raises(NotFoundError):
        await get(queue, "flags")
    assert await keys(queue, "clang") == []
    assert (await queue.read(remembering.version_of, BUILD, "flags", 1)).is_deleted
    await restore(queue, "flags")
    assert (await get(queue, "flags")).version == 1
    assert await keys(queue, "clang") == ["flags"]
    await assert_sound(queue)


async def test_a_deleted_key_can_be_used_again_and_its_history_goes_on(queue: Queue) -> None:
    await add(queue, "flags", "old")
    await delete(queue, "flags")
    again = await add(queue, "flags", "new", created_by="carol")
    assert (again.version, again.value, again.created_by) == (2, "new", "carol")
    assert await get(queue, "flags") == again
    await assert_sound(queue)


async def test_an_earlier_version_comes_back_as_a_new_one(queue: Queue) -> None:
    await add(queue, "flags", "right")
    await update(queue, "flags", "wrong")
    back = await restore(queue, "flags", version=1)
    assert (back.version, back.value) == (3, "right")
    assert await keys(queue, "wrong") == []
    with pytest.raises(ConflictError, match="neither deleted nor expired"):
        await restore(queue, "flags")


async def test_a_working_memory_expires_and_its_key_is_free_again(queue: Queue) -> None:
    await add(queue, "now", "compiling", memory_type=MemoryType.WORKING)
    queue.pass_time(timedelta(days=1).total_seconds())
    with pytest.raises(NotFoundError):
        await get(queue, "now")
    assert await keys(queue, "compiling") == []
    assert (await add(queue, "now", "linking")).version == 2


async def test_what_three_tasks_used_is_promoted_and_no_longer_expires(queue: Queue) -> None:
    memory = await add(queue, "now", memory_type=MemoryType.EPISODIC, importance=0.2)

    async def used(task_id: str) -> Memory:
        await queue.write(remembering.use, [memory.id], task_id=task_id, actor=BOB, now=queue.now)
        return await get(queue, "now")

    for _ in range(3):
        assert (await used("t1")).memory_type is MemoryType.EPISODIC
    await used("t2")
    promoted = await used("t3")
    assert promoted.memory_type is MemoryType.SEMANTIC
    assert (promoted.importance, promoted.expires_at) == (PROMOTED, None)
    assert promoted.access_count == 5
    entries = [one for one in await queue.audit() if one.action_type is Action.MEMORY_PROMOTED]
    assert [one.action_data["memory_type"] for one in entries] == [["episodic", "semantic"]]


async def test_an_earlier_version_comes_back_with_its_type(queue: Queue) -> None:
    await add(queue, "flags", "gcc")
    await update(queue, "flags", "clang", memory_type=MemoryType.WORKING)
    back = await restore(queue, "flags", version=1)
    assert (back.memory_type, back.expires_at) == (MemoryType.SEMANTIC, None)


async def test_pruning_keeps_to_its_namespace_its_types_and_its_number(queue: Queue) -> None:
    for namespace in ("a", "b", "b:c", "bc"):
        for kind in (MemoryType.WORKING, MemoryType.EPISODIC):
            await add(queue, kind, namespace=namespace, memory_type=kind)
    queue.now += timedelta(days=200)

    async def gone(limit: int = 99, **where: Any) -> list[tuple[str, str]]:
        found = await queue.read(
            remembering.faded, MemoryFilter(limit=limit, **where), now=queue.now
        )
        return [(one.namespace, one.key) for one in found]

    below = await gone(namespace="b", types=frozenset({MemoryType.EPISODIC}))
    assert sorted(below) == [("b", "episodic"), ("b:c", "episodic")]
    assert len(await gone()) == 8
    # Those of other namespaces, which expired before, take no place of theirs.
    assert [name for name, _ in await gone(limit=1, namespace="bc")] == ["bc"]


async def test_a_full_namespace_refuses_more_but_not_changes(queue: Queue) -> None:
    rules = MemoryRules(per_namespace=1)
    await add(queue, "one")
    new = NewMemory(namespace=BUILD, key="two", value=1)
    with pytest.raises(InvalidInputError, match="quota"):
        await queue.write(remembering.add, new, actor=BOB, now=queue.now, rules=rules)
    await update(queue, "one", "changed")
    await delete(queue, "one")
    await add(queue, "two")
    with pytest.raises(InvalidInputError, match="quota"):
        await queue.write(remembering.restore, BUILD, "one", actor=BOB, now=queue.now, rules=rules)


async def test_each_change_is_in_the_trail_of_the_task_that_made_it(queue: Queue) -> None:
    task = await queue.submit()
    await add(queue, "flags", task_id=task.id)
    await delete(queue, "flags")
    await add(queue, "stray", task_id="no-such-task")
    actions = [entry.action_type for entry in await queue.audit(task)]
    assert actions[1:] == [Action.MEMORY_ADDED, Action.MEMORY_DELETED]
    await assert_sound(queue)


async def test_a_hit_says_which_words_it_was_found_by(queue: Queue) -> None:
    await add(queue, "flags", {"compiler": "clang", "notes": "optimise for size"})
    await add(queue, "other", "nothing of the kind")
    (hit,) = await find(queue, "which compilers optimise best?")
    assert hit.memory.key == "flags"
    assert hit.why.words == ["compilers", "optimise"]
    assert hit.why.word_rank == 1
    assert "clang" in hit.excerpt


async def test_a_namespace_means_itself_and_what_is_below_it_and_nothing_else(
    queue: Queue,
) -> None:
    for namespace in ("user:alice", "user:alice:notes", "user:alicebob", "user", "user:Alice"):
        await add(queue, "k", "teapot", namespace=namespace)
    found = await find(queue, "teapot", namespace="user:alice")
    assert {hit.memory.namespace for hit in found} == {"user:alice", "user:alice:notes"}


async def test_what_is_found_can_be_narrowed_by_type_author_and_time(queue: Queue) -> None:
    await add(queue, "old", "teapot", memory_type=MemoryType.PROCEDURAL, created_by="alice")
    queue.pass_time(60)
    await add(queue, "new", "teapot")
    assert await keys(queue, "teapot", types=[MemoryType.PROCEDURAL]) == ["old"]
    assert await keys(queue, "teapot", author="alice") == ["old"]
    assert await keys(queue, "teapot", since=queue.now) == ["new"]
    assert await keys(queue, "teapot", until=queue.now) == ["old"]
    assert await keys(queue, "teapot", limit=1) in (["old"], ["new"])


async def test_names_of_files_are_found_by_their_parts(queue: Queue) -> None:
    await add(queue, "where", "look at src/abathur/config_keys.py first")
    assert await keys(queue, "config_keys.py") == ["where"]
    assert await keys(queue, "abathur keys") == ["where"]


SYNTAX = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "AND",
                "OR",
                "NOT",
                "NEAR",
                "NEAR(",
                ")",
                '"',
                "'",
                "*",
                "^",
                ":",
                "-",
                "key:",
                "{",
                "}",
            ]
        ),
        st.text(max_size=12),
    ),
    max_size=8,
).map(" ".join)


@pytest.mark.parametrize(
    ("text", "question", "word"),
    [
        ("我们的数据库每天备份", "怎样恢复数据库", "怎样恢复数据库"),
        ("東京タワーは高い", "京タワ", "京タワ"),
        ("데이터베이스는 빠르다", "데이터베이스", "데이터베이스"),
        ("l'éphémère café", "ÉPHÉMÈRE", "éphémère"),
        ("قاعدة البيانات سريعة", "البيانات", "البيانات"),
    ],
)
async def test_words_are_found_in_any_script(
    queue: Queue, text: str, question: str, word: str
) -> None:
    await add(queue, "other", "天気がいい, and nothing else")
    await add(queue, "wanted", text)
    (hit,) = await find(queue, question)
    assert (hit.memory.key, hit.why.words) == ("wanted", [word])
    assert await keys(queue, question, namespace="elsewhere") == []


async def test_no_question_is_taken_for_syntax(queue: Queue) -> None:
    await add(queue, "flags", "use clang AND gcc")
    questions: list[str] = []

    @settings(max_examples=60, deadline=None, database=None)
    @given(text=SYNTAX)
    def collect(text: str) -> None:
        questions.append(text)

    collect()
    assert len(questions) > 30
    for text in questions:
        await find(queue, text)
        assert await keys(queue, f"{text} clang") == ["flags"]


@pytest.mark.parametrize(
    ("namespace", "key"),
    [
        ("", "k"),
        ("a::b", "k"),
        (":a", "k"),
        ("a\0b", "k"),
        ("a:" * 9 + "b", "k"),
        ("a", ""),
        ("a", "\n"),
    ],
)
async def test_a_name_that_is_none_is_refused(queue: Queue, namespace: str, key: str) -> None:
    with pytest.raises(InvalidInputError):
        await add(queue, key, namespace=namespace)


@pytest.mark.parametrize("value", [float("nan"), "x" * 70_000, {1, 2}])
async def test_a_value_that_cannot_be_kept_is_refused(queue: Queue, value: Any) -> None:
    with pytest.raises(InvalidInputError):
        await add(queue, "k", value)
