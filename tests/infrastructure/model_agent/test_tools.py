"""What the loop's own tools do, and what they tell the model when they can't."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from abathur.infrastructure.model_agent.places import Places, ToolError
from abathur.infrastructure.model_agent.programs import MAX_OUTPUT
from abathur.infrastructure.model_agent.tools import OwnTools


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("one\ntwo\nthree\n")
    (tmp_path / "src" / "b.txt").write_text("two\n")
    return tmp_path


async def use(worktree: Path, name: str, **given: Any) -> str:
    tools = OwnTools(Places(worktree), ("SECRET_KEY",), longest_seconds=20).all()
    return await tools[name].use(given)


async def test_reading_numbers_lines_and_tells_what_is_left(worktree: Path) -> None:
    assert await use(worktree, "Read", file_path="src/a.py", offset=2, limit=1) == (
        "2\ttwo\n[2 more lines; read on with offset 3]"
    )


async def test_an_edit_needs_one_place(worktree: Path) -> None:
    await use(worktree, "Write", file_path="n.txt", content="a b a")
    with pytest.raises(ToolError, match="there 2 times"):
        await use(worktree, "Edit", file_path="n.txt", old_string="a", new_string="c")
    with pytest.raises(ToolError, match="isn't in the file"):
        await use(worktree, "Edit", file_path="n.txt", old_string="x", new_string="c")
    await use(worktree, "Edit", file_path="n.txt", old_string="b", new_string="c")
    await use(worktree, "Edit", file_path="n.txt", old_string="a", new_string="d", replace_all=True)
    assert (worktree / "n.txt").read_text() == "d c d"


async def test_files_are_listed_and_searched(worktree: Path) -> None:
    assert await use(worktree, "Glob", pattern="**/*.py") == "src/a.py"
    assert await use(worktree, "Glob", pattern="*.rs") == "[nothing fits]"
    assert await use(worktree, "Grep", pattern="^tw", glob="*.py") == "./src/a.py:2:two"
    assert await use(worktree, "Grep", pattern="TWO", path="src/b.txt", ignore_case=True)
    assert await use(worktree, "Grep", pattern="nowhere") == "[nothing found]"
    with pytest.raises(ToolError):
        await use(worktree, "Grep", pattern="(")
    with pytest.raises(ToolError, match="outside"):
        await use(worktree, "Grep", pattern="root", path="/etc")


async def test_a_pattern_that_looks_like_an_option_is_none(worktree: Path) -> None:
    (worktree / "-r").write_text("--include=x\n")
    assert await use(worktree, "Grep", pattern="--include=x", path="-r") == "1:--include=x"


async def test_commands_tell_output_and_failure(worktree: Path) -> None:
    assert await use(worktree, "Bash", command="echo out; echo err >&2; pwd -P") == (
        f"out\nerr\n{worktree.resolve()}\n"
    )
    with pytest.raises(ToolError, match=r"half\n\n\[exit code 3\]"):
        await use(worktree, "Bash", command="echo half; exit 3")
    assert await use(worktree, "Bash", command="read x; echo $x") == "\n"


async def test_a_commands_output_is_bounded(worktree: Path) -> None:
    text = await use(worktree, "Bash", command="yes ä | head -c 1000000; echo end")
    assert len(text.encode()) < MAX_OUTPUT + 1000
    assert "bytes left out" in text
    assert text.endswith("end\n")


async def test_a_command_that_takes_too_long_is_ended_with_all_it_started(worktree: Path) -> None:
    (worktree / "pids").write_text("")
    command = "tail -f /dev/null & echo $! > pids; echo begun; wait"
    with pytest.raises(ToolError, match=r"begun[\s\S]*ended after 0.5 seconds"):
        await use(worktree, "Bash", command=command, timeout=0.5)
    child = int((worktree / "pids").read_text())
    # Reaped by whoever is above us; until then it's a zombie.
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or ") Z" in state.read_text()


async def test_output_held_open_in_the_background_keeps_nobody_waiting(worktree: Path) -> None:
    began = time.monotonic()
    text = await use(worktree, "Bash", command="tail -f /dev/null & echo $!")
    os.kill(int(text), 9)
    assert time.monotonic() - began < 10


async def test_commands_dont_see_the_key(worktree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hidden")
    monkeypatch.setenv("OTHER", "seen")
    assert await use(worktree, "Bash", command="echo $SECRET_KEY $OTHER") == "seen\n"


@pytest.mark.parametrize("name", ["Read", "Write", "Edit", "Glob", "Grep", "Bash"])
async def test_arguments_of_any_shape_are_refused_in_words(worktree: Path, name: str) -> None:
    for given in ({}, {"file_path": 5}, {"command": ["ls"]}, {"pattern": None}):
        with pytest.raises(ToolError):
            await use(worktree, name, **given)
