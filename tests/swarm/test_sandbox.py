"""Agents in a sandbox that try to get out of it: real bubblewrap, real git, a real swarm."""

import asyncio
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.processes import sandbox_problem
from tests.programs import program
from tests.swarm.conftest import World


def put_bubblewrap_on_path(patch: pytest.MonkeyPatch) -> None:
    """The one that Codex brings along, where the machine has none."""
    own = program("codex-bwrap")
    if own is not None:
        patch.setenv("PATH", os.pathsep.join([os.environ["PATH"], str(own.parent)]))


with pytest.MonkeyPatch.context() as patch:
    put_bubblewrap_on_path(patch)
    PROBLEM = asyncio.run(sandbox_problem())
needs_bubblewrap = pytest.mark.skipif(
    bool(PROBLEM), reason=f"NOTHING HERE TESTS THE SANDBOX: {PROBLEM}"
)


@pytest.fixture(autouse=True)
def bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    put_bubblewrap_on_path(monkeypatch)


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    return disk_path


def confine(world: World, script: str, **sandbox: Any) -> None:
    world.configure(
        default_runtime="command",
        runtimes={"command": {"argv": ["sh", "-c", script], "prompt": "none"}},
        sandbox={"kind": "bubblewrap", **sandbox},
    )


async def run(world: World, script: str, **sandbox: Any) -> list[str]:
    """What the script wrote into `said` in its worktree, which landed."""
    confine(world, script, **sandbox)
    task = await world.submit("Try", max_retries=0)
    await world.run_until_idle()
    done = await world.task(task)
    assert done.status is TaskStatus.COMPLETED, (done.error_message, world.events)
    await world.assert_sound()
    return world.file("said").splitlines()


@needs_bubblewrap
async def test_work_in_a_sandbox_lands_also_when_the_agent_commits_itself(world: World) -> None:
    said = await run(
        world,
        "git config user.name >/dev/null; echo one > said; git add said;"
        "git -c user.name=A -c user.email=a@b commit -qm Own; echo two >> said",
    )
    assert said == ["one", "two"]


@needs_bubblewrap
async def test_nothing_outside_of_the_worktree_is_written(world: World, tmp_path: Path) -> None:
    home = Path(os.environ["HOME"])
    places = [
        tmp_path / "outside",
        home / ".bashrc",
        home / ".local" / "state" / "abathur" / "trust" / "planted.json",
        world.root / "README.md",
        world.root / ".abathur" / "config.yaml",
        world.root / ".abathur" / "abathur.db",
        world.root / ".abathur" / "worktrees" / "another",
        world.root / ".git" / "config",
        world.root / ".git" / "hooks" / "pre-commit",
        world.root / ".git" / "info" / "attributes",
        world.root / ".git" / "packed-refs",
        world.root / ".git" / "refs" / "heads" / "main",
        world.root / ".git" / "refs" / "heads" / "task" / "other" / "x",
        world.root / ".git" / "objects" / "info" / "alternates",
        world.root / ".git" / "objects" / "pack" / "x.pack",
        Path("/etc/abathur-was-here"),
        Path("/var/abathur-was-here"),
    ]
    confine(world, "true")
    before = [_content(place) for place in places]
    script = "; ".join(f"mkdir -p {place.parent}; echo evil >> {place}" for place in places)
    said = await run(world, f"({script}) 2>/dev/null; echo tried > said")
    assert said == ["tried"]
    # The database's own changes are the swarm's.
    after = [_content(place) for place in places]
    for place, old, new in zip(places, before, after, strict=True):
        if place.name not in {"abathur.db", "main", "config.yaml"}:
            assert new == old, place
        assert b"evil\n" not in (new or b""), place


@needs_bubblewrap
async def test_git_s_own_files_of_the_worktree_can_t_be_turned_against_us(world: World) -> None:
    """What git outside of the sandbox reads afterwards, and runs what it finds there."""
    mark = world.root / "ran"
    said = await run(
        world,
        "record=$(git rev-parse --absolute-git-dir);"
        f"for file in $record/config.worktree $record/commondir $record/gitdir .git; do"
        f"  (echo '[core] fsmonitor = touch {mark}' > $file) 2>/dev/null"
        "  && echo wrote $file >> said;"
        f"  rm -f $file 2>/dev/null && echo removed $file >> said;"
        f"  mv $file aside 2>/dev/null && echo moved $file >> said;"
        "done; git config extensions.worktreeConfig true 2>/dev/null && echo configured >> said;"
        "echo tried >> said",
    )
    assert said == ["tried"]
    assert not mark.exists()


@needs_bubblewrap
async def test_what_is_secret_can_t_be_read(world: World, tmp_path: Path) -> None:
    key = Path(os.environ["HOME"]) / ".ssh" / "id_ed25519"
    key.parent.mkdir(exist_ok=True)
    key.write_text("private")
    (world.root / ".env").write_text("private")
    (tmp_path / "private").write_text("private")
    files = [key, world.root / ".env", tmp_path / "private", world.root / ".abathur" / "abathur.db"]
    tries = "; ".join(f"cat {file} >> said 2>/dev/null" for file in files)
    said = await run(world, f"touch said; {tries}; ls -A $HOME >> said; echo tried >> said")
    assert said == ["tried"]


@needs_bubblewrap
async def test_the_kernel_s_settings_can_t_be_written_not_even_by_root(world: World) -> None:
    """`core_pattern` names a program that the kernel runs outside. Only asked for, never tried."""
    own = "-path '/proc/[0-9]*' -o -path '/proc/*self*'"
    said = await run(
        world,
        rf"find /proc \( {own} \) -prune -o -type f -writable -print > said; echo tried >> said",
    )
    assert said == ["tried"]


@needs_bubblewrap
async def test_no_process_outside_is_seen_or_hit(world: World) -> None:
    victim = subprocess.Popen(["sleep", "600"])  # noqa: ASYNC220 - starts at once
    try:
        said = await run(
            world,
            f"for pid in {os.getpid()} {victim.pid}; do"
            "  kill -0 $pid 2>/dev/null && echo reached $pid >> said; done;"
            "kill -9 -1 2>/dev/null; ls -d /proc/[0-9]* | wc -l > count;"
            f"grep -l {world.root.name}-nothing /proc/*/environ >> said 2>/dev/null;"
            "cat count >> said; rm count",
        )
        assert victim.poll() is None
        assert int(said[-1]) < 12, "only the sandbox's own"
        assert not [line for line in said if line.startswith("reached")]
    finally:
        victim.kill()
        victim.wait()


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@needs_bubblewrap
@pytest.mark.parametrize("network", ["on", "off"])
async def test_the_network_is_there_as_configured(
    world: World, listener: int, network: str
) -> None:
    probe = f"import socket; socket.create_connection(('127.0.0.1', {listener}), 5)"
    said = await run(
        world, f'{sys.executable} -c "{probe}" 2>/dev/null && echo on > said || echo off > said',
        network=network,
    )  # fmt: skip
    assert said == [network]


@needs_bubblewrap
async def test_a_link_planted_for_our_own_git_isn_t_followed(world: World, tmp_path: Path) -> None:
    """Git writes through links in its own folder, and ours works there after the sandbox."""
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    confine(
        world,
        "record=$(git rev-parse --absolute-git-dir); echo work > work;"
        f"rm -f $record/index; ln -s {victim} $record/index;"
        f"rm -rf $record/logs; ln -s {tmp_path} $record/logs;"
        f"ln -sf {victim} $record/COMMIT_EDITMSG",
    )
    task = await world.submit("Plant", max_retries=0)
    await world.run_until_idle()
    assert (await world.task(task)).status is TaskStatus.FAILED
    assert victim.read_text() == "mine\n"
    assert not (tmp_path / "HEAD").exists()
    assert "a link" in " ".join(event.text for event in world.events)


@needs_bubblewrap
async def test_an_agent_s_branch_that_points_to_main_moves_nothing(world: World) -> None:
    main = world.git("rev-parse", "main")
    confine(
        world,
        "branch=$(git symbolic-ref HEAD); common=$(git rev-parse --git-common-dir);"
        "rm $common/$branch; echo 'ref: refs/heads/main' > $common/$branch;"
        "echo x > stolen; exit 1",
    )
    task = await world.submit("Redirect", max_retries=0)
    await world.run_until_idle()
    assert (await world.task(task)).status is TaskStatus.FAILED
    assert world.git("rev-parse", "main") == main


@needs_bubblewrap
async def test_a_process_left_behind_dies_with_the_run(world: World) -> None:
    said = await run(
        world,
        "env -i setsid sleep 4242 >/dev/null 2>&1 & env -i setsid sleep 4242 >/dev/null 2>&1 &"
        "echo left > said",
    )
    assert said == ["left"]
    assert not [p for p in psutil.process_iter(["cmdline"]) if "4242" in (p.info["cmdline"] or [])]


@needs_bubblewrap
async def test_set_up_and_verification_are_confined_too(world: World, tmp_path: Path) -> None:
    world.configure(
        sandbox="bubblewrap",
        setup=f"echo evil > {tmp_path}/setup; true",
        verify=f"echo evil > {tmp_path}/verify; git status >/dev/null",
    )
    task = await world.submit("Do", [{"write": {"path": "a", "text": "b"}}])
    await world.run_until_idle()
    assert (await world.task(task)).status is TaskStatus.COMPLETED
    assert not {"setup", "verify"} & {path.name for path in tmp_path.iterdir()}


@needs_bubblewrap
async def test_what_is_configured_can_be_written_and_read(world: World, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page").write_text("known\n")
    said = await run(
        world,
        f"echo kept > {tmp_path}/cache/file; cat {tmp_path}/docs/page > said;"
        f"echo no > {tmp_path}/docs/other 2>/dev/null; true",
        writable=[str(tmp_path / "cache")],
        readable=[str(tmp_path / "docs")],
    )
    assert said == ["known"]
    assert (tmp_path / "cache" / "file").read_text() == "kept\n"
    assert not (tmp_path / "docs" / "other").exists()


@needs_bubblewrap
async def test_a_definition_can_t_let_its_agent_out(world: World, tmp_path: Path) -> None:
    agents = world.root / ".abathur" / "agents"
    agents.mkdir()
    (agents / "free.md").write_text("---\nname: free\nsandbox: off\n---\nDo\n")
    confine(world, f"echo evil > {tmp_path}/out; echo done > said")
    task = await world.submit("Go", agent_type="free")
    await world.run_until_idle()
    assert (await world.task(task)).status is TaskStatus.COMPLETED
    assert not (tmp_path / "out").exists()


async def test_without_bubblewrap_nothing_is_started(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Never unconfined in silence: neither at the start nor when it goes away later."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("git", "sh", "touch", "true"):
        (programs / name).symlink_to(shutil.which(name) or name)
    confine(world, f"touch {tmp_path}/ran")
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(AgentUnavailableError, match="`bwrap` isn't on PATH"):
        await world.supervisor()
    bwrap = programs / "bwrap"
    bwrap.write_text("#!/bin/sh\nexit 0\n")
    bwrap.chmod(stat.S_IRWXU)
    supervisor = await world.supervisor()
    bwrap.unlink()
    task = await world.submit("Run", max_retries=0)
    await supervisor.run(until_idle=True)
    assert "`bwrap` isn't on PATH" in ((await world.task(task)).error_message or "")
    assert not (tmp_path / "ran").exists()


def _content(place: Path) -> bytes | None:
    return place.read_bytes() if place.is_file() else None
