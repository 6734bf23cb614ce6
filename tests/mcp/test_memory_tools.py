"""The tools about memories, sessions and documents, and who may reach what with them."""

from dataclasses import replace
from typing import Any

import pytest

from tests.mcp.conftest import Refused, Site

OLDER = {
    "memory_add",
    "memory_get",
    "memory_search",
    "memory_update",
    "memory_delete",
    "session_create",
    "session_get",
    "session_append_event",
    "session_get_state",
    "session_set_state",
    "document_index",
    "document_semantic_search",
}
OLDER_MEMORY = [
    "id",
    "namespace",
    "key",
    "value",
    "memory_type",
    "version",
    "is_deleted",
    "metadata",
    "created_by",
    "updated_by",
    "created_at",
    "updated_at",
]
NOTE: dict[str, Any] = {
    "namespace": "project:build",
    "key": "compiler",
    "value": {"name": "gcc", "why": "the linker script"},
    "memory_type": "semantic",
    "created_by": "ada",
}


async def test_every_older_tool_is_offered(site: Site) -> None:
    async with site.client(only="memory") as client:
        assert client.server_info is not None
        assert client.server_info.name == "abathur-memory"
        assert {tool.name for tool in (await client.list_tools()).tools} == OLDER


async def test_the_quota_of_the_project_holds_for_agents_too(site: Site) -> None:
    settings = site.host.project.settings
    small = replace(settings, memory=replace(settings.memory, quota=1))
    site.host = replace(site.host, project=replace(site.host.project, settings=small))
    await site.call("memory_add", **NOTE)
    with pytest.raises(Refused, match="holds 1 memories, which is its quota"):
        await site.call("memory_add", **{**NOTE, "key": "linker"})


async def test_a_memory_lives_through_all_its_versions(site: Site) -> None:
    added = await site.call("memory_add", **NOTE, metadata={"from": "a log"})
    assert added["status"] == "created"
    with pytest.raises(Refused, match="is there already"):
        await site.call("memory_add", **NOTE)
    place: dict[str, Any] = {"namespace": NOTE["namespace"], "key": NOTE["key"]}
    changed = await site.call("memory_update", **place, value={"name": "clang"}, updated_by="bea")
    assert (changed["status"], changed["version"]) == ("updated", 2)
    now = await site.call("memory_get", **place)
    assert list(now) == OLDER_MEMORY
    assert (now["value"], now["created_by"]) == ({"name": "clang"}, "ada")
    assert now["metadata"] == {"from": "a log"}
    assert (await site.call("memory_get", **place, version=1))["value"] == NOTE["value"]
    with pytest.raises(Refused, match="somebody changed it meanwhile"):
        await site.call("memory_update", **place, value={}, updated_by="cy", expected_version=1)
    assert await site.call("memory_delete", **place) == {"deleted": True}
    assert await site.call("memory_delete", **place) == {"deleted": False}
    with pytest.raises(Refused, match="NotFoundError"):
        await site.call("memory_get", **place)
    assert (await site.call("memory_add", **NOTE))["status"] == "created"


async def test_memories_are_found_by_namespace_and_by_words_whatever_they_hold(
    site: Site,
) -> None:
    await site.call("memory_add", **NOTE)
    await site.call("memory_add", **{**NOTE, "namespace": "project:builder", "key": "other"})
    found = await site.call("memory_search", namespace_prefix="project:build:")
    assert [one["key"] for one in found] == ["compiler"]
    (hit,) = await site.call(
        "memory_search", namespace_prefix="project:build", query='the "linker AND ( script* NEAR'
    )
    assert "linker" in hit["excerpt"]
    assert await site.call("memory_search", namespace_prefix="%") == []


async def test_an_agent_writes_where_its_work_is_and_reads_what_it_needs(site: Site) -> None:
    run, own = await site.run()
    part = (await site.call("task_enqueue", run, description="Part"))["task_id"]
    for namespace in (f"task:{own.id}:notes", f"task:{part}:plan", "agents:registry"):
        await site.call("memory_add", run, **{**NOTE, "namespace": namespace})
    await site.call("memory_add", **{**NOTE, "namespace": "user:ada"})
    await site.call("memory_add", **NOTE)
    for namespace in ("project:build", "user:ada", "task:1", f"task:{own.id[:8]}:x", "agents"):
        with pytest.raises(Refused, match="PermissionError: namespace"):
            await site.call("memory_add", run, **{**NOTE, "namespace": namespace, "key": "new"})
        with pytest.raises(Refused, match="PermissionError"):
            await site.call("memory_delete", run, namespace=namespace, key="compiler")
    assert await site.call("memory_get", run, namespace="project:build", key="compiler")
    with pytest.raises(Refused, match="NotFoundError"):
        await site.call("memory_get", run, namespace="user:ada", key="compiler")
    everything = await site.call("memory_search", run, namespace_prefix="")
    assert {one["namespace"] for one in everything} == {
        f"task:{own.id}:notes",
        f"task:{part}:plan",
        "agents:registry",
        "project:build",
    }


async def test_a_session_keeps_events_and_state(site: Site) -> None:
    made: dict[str, Any] = {"session_id": "s1", "app_name": "app", "user_id": "ada"}
    await site.call("session_create", **made, initial_state={"user:name": "Ada"})
    with pytest.raises(Refused, match="is there already"):
        await site.call("session_create", **made)
    event = {"event_type": "message", "content": {"text": "hello"}}
    await site.call("session_append_event", session_id="s1", event=event, state_delta={"n": 1})
    await site.call("session_set_state", session_id="s1", key="temp:x", value=[1, None])
    assert await site.call("session_get_state", session_id="s1", key="temp:x") == {
        "value": [1, None]
    }
    found = await site.call("session_get", session_id="s1")
    assert found["events"] == [event]
    assert found["state"]["user:name"] == "Ada"
    assert await site.call("session_get_state", session_id="s1", key="never") == {"value": None}


async def test_an_agent_reaches_the_sessions_of_its_work_alone(site: Site) -> None:
    await site.call("session_create", session_id="hers", app_name="app", user_id="ada")
    run, _ = await site.run()
    with pytest.raises(Refused, match="NotFoundError: no session hers"):
        await site.call("session_get", run, session_id="hers")
    await site.call("session_create", run, session_id="own", app_name="app", user_id="agent")
    assert (await site.call("session_get", run, session_id="own"))["status"] == "created"


async def test_documents_are_indexed_once_and_found_by_their_places(site: Site) -> None:
    text = "# Guide\n\nIntro.\n\n## Deploying\n\nRun the flux capacitor.\n"
    document: dict[str, Any] = {"namespace": "docs", "file_path": "docs/guide.md", "content": text}
    first = await site.call("document_index", **document)
    again = await site.call("document_index", **document)
    assert (again["document_id"], again["indexed"]) == (first["document_id"], False)
    (hit,) = await site.call("document_semantic_search", query_text="flux capacitor")
    assert (hit["file_path"], hit["heading"]) == ("docs/guide.md", "Guide > Deploying")
    for path in ("/etc/passwd", "../x", "a/../../x", "C:/x", "..\\x"):
        with pytest.raises(Refused, match="isn't a path within the project"):
            await site.call("document_index", **{**document, "file_path": path})


async def test_an_agent_changes_no_document_that_is_not_its_own(site: Site) -> None:
    theirs: dict[str, Any] = {"file_path": "docs/guide.md", "content": "the lever is red"}
    await site.call("document_index", **theirs, namespace="docs")
    run, own = await site.run()
    forged = {**theirs, "content": "no lever"}
    with pytest.raises(Refused, match="PermissionError: file_path: `docs/guide"):
        await site.call("document_index", run, **forged, namespace=f"task:{own.id}")
    assert await site.call("document_semantic_search", query_text="red", namespace="docs")
    note: dict[str, Any] = {"file_path": "notes.md", "namespace": f"task:{own.id}"}
    for content in ("first", "second"):
        assert (await site.call("document_index", run, **note, content=content))["indexed"]


async def test_what_an_agent_may_not_see_takes_no_place_among_its_hits(site: Site) -> None:
    run, _ = await site.run()
    for number in range(3):
        hidden: dict[str, Any] = {
            "file_path": f"{number}.md",
            "content": "lever lever",
            "namespace": "user:ada",
        }
        await site.call("document_index", **hidden)
    shown: dict[str, Any] = {
        "file_path": "x.md",
        "content": "a lever among many words",
        "namespace": "docs",
    }
    await site.call("document_index", **shown)
    (hit,) = await site.call("document_semantic_search", run, query_text="lever", limit=1)
    assert hit["file_path"] == "x.md"


async def test_an_agent_shares_state_with_agents_of_its_target_and_never_with_a_person(
    site: Site,
) -> None:
    names: dict[str, Any] = {"app_name": "app", "user_id": "ada", "project_id": "p"}
    shared = {"user:s": "hers", "app:s": "hers", "project:s": "hers"}
    await site.call("session_create", session_id="hers", **names, initial_state=shared)
    run, _ = await site.run()
    await site.call("session_create", run, session_id="one", **names)
    await site.call("session_create", run, session_id="two", **names)
    for key in shared:
        asked: dict[str, Any] = {"session_id": "one", "key": key}
        assert (await site.call("session_get_state", run, **asked))["value"] is None
        await site.call("session_set_state", run, **asked, value="an agent's")
        asked["session_id"] = "two"
        assert (await site.call("session_get_state", run, **asked))["value"] == "an agent's"
        kept = await site.call("session_get_state", session_id="hers", key=key)
        assert kept["value"] == "hers"


async def test_an_agent_gives_its_parts_no_session_that_it_may_not_see(site: Site) -> None:
    await site.call("session_create", session_id="hers", app_name="app", user_id="ada")
    run, _ = await site.run()
    for named in ({"session_id": "hers"}, {"input_data": {"session_id": "hers"}}):
        part: dict[str, Any] = {"description": "x", **named}
        with pytest.raises(Refused, match="NotFoundError: no session hers"):
            await site.call("task_enqueue", run, **part)
        with pytest.raises(Refused, match="NotFoundError: no session hers"):
            await site.call("task_enqueue_many", run, tasks=[part])
    await site.call("session_create", run, session_id="own", app_name="app", user_id="agent")
    await site.call("task_enqueue", run, description="x", session_id="own")


async def test_a_prefix_may_end_within_a_word_where_no_namespace_is_called_so(site: Site) -> None:
    for namespace in ("task:12:x", "task:1:x", "team:x"):
        memory: dict[str, Any] = {"namespace": namespace, "key": "k", "value": {"t": "lever"}}
        await site.call("memory_add", **memory, memory_type="semantic", created_by="ada")

    async def found(prefix: str, **more: Any) -> set[str]:
        rows = await site.call("memory_search", namespace_prefix=prefix, **more)
        return {one["namespace"] for one in rows}

    assert await found("task:1") == {"task:1:x"}
    assert await found("tas") == {"task:12:x", "task:1:x"}
    assert await found("te", query="lever") == {"team:x"}
    assert await found("task:12:x:y") == set()
