"""What a client is told when the database under a server is gone; the server outlives it."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from abathur.bootstrap import Project
from tests.mcp.conftest import Refused

if TYPE_CHECKING:
    from tests.mcp.conftest import Site

MEMORY: dict[str, Any] = {
    "namespace": "zoo",
    "key": "pet",
    "value": {"is": "a dog"},
    "memory_type": "semantic",
    "created_by": "ada",
}


async def test_a_database_deleted_under_a_server_is_told_and_one_put_back_is_used(
    site: "Site", project: Project, tmp_path: Path
) -> None:
    task = await site.add()
    aside = tmp_path / "aside"
    aside.mkdir()
    for file in project.folder.glob("abathur.db*"):
        shutil.move(file, aside)
    with pytest.raises(Refused, match="deleted or replaced while it was open, so nothing was writ"):
        await site.call("task_list")
    with pytest.raises(Refused, match="deleted or replaced while it was open, so nothing was writ"):
        await site.call("memory_add", **MEMORY)
    for file in aside.iterdir():
        shutil.move(file, project.folder)
    (listed,) = (await site.call("task_list"))["tasks"]
    assert listed["id"] == task
    await site.call("memory_add", **MEMORY)
    found = await site.call("memory_search", query="dog", namespace_prefix="zoo")
    assert "a dog" in str(found)
