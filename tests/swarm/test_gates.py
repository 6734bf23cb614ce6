"""Gates: in order, each on a clean checkout, repeated when flaky, never twice on one tree."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from abathur.domain.gates import Verdict
from abathur.services.reading import swarm_status
from abathur.swarm.events import SwarmEventKind

WRITE = [{"write": {"path": "new.txt", "text": "hello\n"}}]


def noting(world: Any, name: str, script: str = "true") -> list[str]:
    return ["sh", "-c", f"echo {name} >> {world.root}/.abathur/notes; {script}"]


def shown(world: Any, *command: str) -> str:
    called = [sys.executable, "-m", "abathur", *command]
    done = subprocess.run(called, cwd=world.root, check=True, capture_output=True, text=True)
    return done.stdout


def notes(world: Any) -> list[str]:
    notes: Path = world.root / ".abathur" / "notes"
    return notes.read_text().split()


async def test_gates_run_in_their_order_and_stop_at_the_first_that_fails(world: Any) -> None:
    world.configure(
        verify={"command": noting(world, "verify")},
        gates={
            "lint": noting(world, "lint", "exit 3"),
            "test": noting(world, "test"),
        },
        landing={"retry_flaky": False},
        retry={"max_rework": 0},
    )
    task = await world.submit("Write", WRITE)
    assert (await world.run_until_idle()).failed == 1
    assert notes(world) == ["verify", "lint"]
    failed = await world.task(task)
    assert failed.error_message == "gate `lint` ended with exit code 3 on the merged tree"
    runs = await world.gate_runs(task)
    assert [(run.gate, run.verdict, run.exit_code) for run in runs] == [
        ("verify", "passed", 0),
        ("lint", "failed", 3),
    ]
    await world.assert_sound()


async def test_each_gate_gets_a_checkout_of_its_own(world: Any) -> None:
    world.configure(gates={"make": "echo made > made", "look": "test ! -e made"})
    await world.submit("Write", WRITE)
    assert (await world.run_until_idle()).completed == 1


async def test_a_gate_that_passes_when_repeated_is_called_flaky(world: Any) -> None:
    mark = world.root / ".abathur" / "mark"
    world.configure(
        verify={"command": ["sh", "-c", f"test -e {mark} || {{ touch {mark}; exit 1; }}"]}
    )
    task = await world.submit("Write", WRITE)
    assert (await world.run_until_idle()).completed == 1
    first, second = await world.gate_runs(task)
    assert (first.verdict, second.verdict) == (Verdict.FAILED, Verdict.FLAKY)
    assert first.tree == second.tree
    assert first.log_path != second.log_path
    (told,) = [e.text for e in world.events if e.kind is SwarmEventKind.GATE_FLAKY]
    assert (
        told == "gate `verify` is flaky: it ended with exit code 1 and then passed on the same tree"
    )
    status = await world.db.read(swarm_status)
    assert [run.gate for run in status.flaky] == ["verify"]
    for command in (["task", "show", task.id], ["why", task.id], ["swarm", "status"]):
        assert "flaky" in shown(world, *command).lower()


async def test_a_gate_says_how_often_it_is_repeated(world: Any) -> None:
    world.configure(
        gates={
            "patient": {"command": noting(world, "patient"), "retries": 3},
            "strict": {"command": noting(world, "strict", "exit 1"), "retries": 0},
        },
        retry={"max_rework": 0},
    )
    await world.submit("Write", WRITE)
    assert (await world.run_until_idle()).failed == 1
    assert notes(world) == ["patient", "strict"]


async def test_a_gate_that_takes_too_long_is_ended_with_all_its_processes(world: Any) -> None:
    world.configure(
        gates={"slow": {"command": "setsid sleep 600 & sleep 600", "timeout": 1, "retries": 0}},
        retry={"max_rework": 0},
    )
    task = await world.submit("Write", WRITE)
    assert (await world.run_until_idle()).failed == 1
    (run,) = await world.gate_runs(task)
    assert (run.verdict, run.exit_code) == (Verdict.TIMED_OUT, None)
    await world.assert_sound()


async def test_a_tree_that_has_passed_is_not_judged_again_but_another_command_is(
    world: Any,
) -> None:
    world.configure(verify={"command": noting(world, "first")})
    await world.submit("Write", WRITE)
    await world.run_until_idle()
    world.git("reset", "-q", "--hard", "HEAD^")
    again = await world.submit("Write again", WRITE)
    await world.run_until_idle()
    assert notes(world) == ["first"]
    assert await world.gate_runs(again) == []
    world.git("reset", "-q", "--hard", "HEAD^")
    world.configure(verify={"command": noting(world, "second")})
    await world.submit("Write once more", WRITE)
    await world.run_until_idle()
    assert notes(world) == ["first", "second"]
    await world.assert_sound()


async def test_a_target_chooses_its_gates(world: Any) -> None:
    world.git("branch", "draft")
    world.configure(
        gates={"lint": noting(world, "lint"), "test": noting(world, "test")},
        targets={"main": {"allow": True}, "draft": {"gates": ["lint"]}},
    )
    await world.submit("Write", WRITE, feature_branch="draft")
    assert (await world.run_until_idle()).completed == 1
    assert notes(world) == ["lint"]
    await world.submit("Write", WRITE)
    assert (await world.run_until_idle()).completed == 1
    assert notes(world) == ["lint", "test"]  # the tree has passed `lint`
