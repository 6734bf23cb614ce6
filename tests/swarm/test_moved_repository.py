"""A repository that is moved as a whole, with its queue, while work is under way."""

import os
import signal
from pathlib import Path

from tests.swarm.conftest import Script, made_world

SCRIPT: Script = {
    "1": [{"write": {"path": "half.txt", "text": "half\n"}}, {"say": "hanging"}, {"hang": True}],
    "*": [{"write": {"path": "whole.txt", "text": "whole\n"}}],
}


async def test_a_moved_repository_keeps_what_was_unfinished_and_no_folder(git_repo: Path) -> None:
    judging = git_repo.with_name("judging")
    os.mkfifo(judging)
    async with made_world(git_repo, git_repo / ".abathur" / "abathur.db") as world:
        gate = f'echo > "{judging}"; sleep 600'
        world.configure(verify={"command": ["sh", "-c", gate]})
        await world.submit("Write", [{"write": {"path": "a.txt", "text": "a\n"}}])
        half = await world.submit("Hang", SCRIPT)
        with world.start_swarm() as swarm:
            assert any("hanging" in line for line in swarm.stdout)
            judging.read_text()
            swarm.send_signal(signal.SIGKILL)
            swarm.wait()
    moved = git_repo.rename(git_repo.with_name("moved"))
    async with made_world(moved, moved / ".abathur" / "abathur.db", has_folder=True) as world:
        assert len(list((moved / ".abathur" / "worktrees").iterdir())) == 3
        result = await world.run_until_idle()
        assert (result.completed, result.failed) == (2, 0)
        kept = (await world.attempts(half))[0].salvage_ref
        assert kept is not None
        assert world.file("half.txt", kept) == "half"
        assert list((moved / ".abathur" / "worktrees").iterdir()) == []
        assert world.git("branch", "--list", "task/*") == ""
        await world.assert_sound()
