"""Where a program leaves what it thinks of as temporary: some write whole prompts there."""

from typing import Any


async def test_a_run_has_a_folder_of_its_own_for_temporary_files(world: Any) -> None:
    argv = ["sh", "-c", 'echo "$TMPDIR" > told; touch "$TMPDIR/left"']
    world.configure(agents={"odd": {"runtime": "command", "argv": argv}})
    task = await world.submit("Odd", agent_type="odd")
    await world.run_until_idle()
    folder = world.root / ".abathur" / "runs" / task.id / "1" / "scratch"
    assert world.file("told").strip() == str(folder)
    await world.assert_sound()
