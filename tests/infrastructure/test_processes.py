"""Real programs: whatever they do, none of them outlives its run."""

import asyncio
import os
import subprocess
import time
import tracemalloc
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from abathur.domain.errors import NotExecutableError, ProcessError
from abathur.domain.runs import Command, Exit
from abathur.infrastructure.processes import SystemProcesses
from abathur.ports.processes import Launch, ProcessId

PROCESSES = SystemProcesses()
MEGABYTE = 1 << 20

# Both tell their pid when they are up, so that a test knows whom to look for.
IN_A_SESSION_OF_ITS_OWN = "setsid sh -c 'echo $$; exec sleep 1000' &\n"
DEAF = "trap '' TERM; echo $$; while :; do sleep 1000; done"


class Run:
    """One run, what it said, and the processes that told their pid on a line of their own."""

    def __init__(self, folder: Path) -> None:
        self.launch = Launch(
            command=Command(argv=("true",)),
            cwd=folder,
            transcript=folder / "transcript",
            tags={"ABATHUR_TEST": uuid.uuid4().hex},
            env={},
            timeout_seconds=60,
            grace_seconds=0.3,
        )
        self.lines: list[str] = []
        self.started: list[ProcessId] = []
        self.told: list[ProcessId] = []
        self.has_told = asyncio.Event()
        self.stop = asyncio.Event()

    def shell(self, script: str) -> "Run":
        return self.program("sh", "-c", script)

    def program(self, *argv: str, stdin: bytes = b"") -> "Run":
        self.launch = replace(self.launch, command=Command(argv=argv, stdin=stdin))
        return self

    async def result(self, on_line: Callable[[str], None] | None = None) -> Exit:
        return await PROCESSES.run(
            self.launch,
            on_started=self.started.append,
            on_line=on_line or self._take,
            stop=self.stop,
        )

    async def stop_when_told(self) -> Exit:
        task = asyncio.ensure_future(self.result())
        await self.has_told.wait()
        self.stop.set()
        return await task

    def living(self) -> list[ProcessId]:
        return [one for one in (*self.started, *self.told) if PROCESSES.is_alive(one)]

    def _take(self, line: str) -> None:
        self.lines.append(line)
        if line.isdigit() and (start := start_time(int(line))):
            self.told.append(ProcessId(int(line), start))
            self.has_told.set()


def start_time(pid: int) -> float | None:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).create_time()
    return None


def sleeper(env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(("sleep", "1000"), env=env)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


async def test_what_a_program_writes_is_kept_and_handed_over(run: Run) -> None:
    result = await run.shell("echo one; echo two; echo oops >&2; printf three; exit 7").result()
    assert result == Exit(code=7, stderr_tail="oops\n")
    assert run.lines == ["one", "two", "three"]
    assert run.launch.transcript.read_text() == "one\ntwo\nthree"
    assert run.launch.transcript.with_name("transcript.stderr").read_text() == "oops\n"


async def test_the_transcript_has_a_line_before_its_listener(run: Run) -> None:
    seen = b""

    def look(line: str) -> None:
        nonlocal seen
        seen = run.launch.transcript.read_bytes()

    await run.shell("printf 'first\\nhalf'").result(look)
    assert seen.startswith(b"first\n")


async def test_a_transcript_of_before_is_continued(run: Run) -> None:
    await run.shell("echo one; echo old >&2").result()
    result = await run.shell("echo two; echo new >&2").result()
    assert run.launch.transcript.read_text() == "one\ntwo\n"
    assert result.stderr_tail == "new\n"


async def test_only_the_end_of_stderr_is_handed_back(run: Run) -> None:
    result = await run.shell("yes error | head -c 100000 >&2; printf last >&2").result()
    assert len(result.stderr_tail) == 4096
    assert result.stderr_tail.endswith("last")


async def test_long_lines_are_torn_and_bad_bytes_replaced(run: Run) -> None:
    stdin = b"a" * (MEGABYTE + 5) + b"\nx\xff\n\n" + b"b" * MEGABYTE
    await run.program("cat", stdin=stdin).result()
    assert [len(line) for line in run.lines] == [MEGABYTE, 5, 2, 0, MEGABYTE]
    assert run.lines[2] == "x\N{REPLACEMENT CHARACTER}"


async def test_a_flood_of_output_needs_no_memory(run: Run) -> None:
    size = 0

    def count(line: str) -> None:
        nonlocal size
        size += len(line)

    run.shell("head -c 50000000 /dev/zero | tr '\\0' x")
    tracemalloc.start()
    try:
        await run.result(count)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == run.launch.transcript.stat().st_size == 50_000_000
    assert peak < 12 * MEGABYTE


@pytest.mark.parametrize(
    ("script", "size"),
    [
        pytest.param("cat | wc -c", 20 * MEGABYTE, id="read"),
        pytest.param("cat /dev/stdin | wc -c", 20 * MEGABYTE, id="read by name"),
        pytest.param("cat", 20 * MEGABYTE, id="echoed"),
        pytest.param("echo 0", 20 * MEGABYTE, id="ignored"),
        pytest.param("exec <&-; echo 0", 20 * MEGABYTE, id="closed"),
        pytest.param("head -c 1 >/dev/null; echo 0", 20 * MEGABYTE, id="read in part"),
        pytest.param("cat | wc -c", 0, id="empty"),
    ],
)
async def test_stdin_of_any_size_keeps_nobody_waiting(run: Run, script: str, size: int) -> None:
    result = await run.program("sh", "-c", script, stdin=b"x" * size).result()
    assert result.code == 0
    if script == "cat":
        assert run.launch.transcript.stat().st_size == size
    else:
        assert run.lines[-1].strip() in {"0", str(size)}


async def test_a_grandchild_in_a_session_of_its_own_is_ended(run: Run) -> None:
    await run.shell(IN_A_SESSION_OF_ITS_OWN + "wait").stop_when_told()
    assert run.told
    assert not run.living()


async def test_a_grandchild_that_holds_stdout_delays_the_end_by_a_second_only(run: Run) -> None:
    start = time.monotonic()
    result = await run.shell("sh -c 'echo $$; exec sleep 1000' & echo done").result()
    assert result.code == 0
    assert "done" in run.lines
    assert time.monotonic() - start < 20
    assert not run.living()


async def test_a_child_without_tags_is_found_in_the_session(run: Run) -> None:
    script = "mkfifo up; env -i sh -c 'echo $$; echo >up; exec sleep 1000' & cat up"
    result = await run.shell(script).result()
    assert result.code == 0
    assert run.told
    assert not run.living()


async def test_a_descendant_without_tags_and_session_is_found_by_its_parents(run: Run) -> None:
    await run.shell("env -i setsid sh -c 'echo $$; exec sleep 1000' & wait").stop_when_told()
    assert run.told
    assert not run.living()


async def test_a_program_that_ignores_term_is_killed(run: Run) -> None:
    result = await run.shell(DEAF).stop_when_told()
    assert result == Exit(code=-9, stopped=True)
    assert not run.living()


async def test_a_program_has_its_grace_to_put_things_in_order(run: Run) -> None:
    run.launch = replace(run.launch, grace_seconds=30)
    script = "trap 'echo tidied; exit 5' TERM; echo $$; while :; do sleep 0.05; done"
    result = await run.shell(script).stop_when_told()
    assert (result.code, result.stopped) == (5, True)
    assert run.lines[-1] == "tidied"


async def test_time_out(run: Run) -> None:
    run.launch = replace(run.launch, timeout_seconds=0.2)
    result = await run.shell("sleep 1000").result()
    assert (result.timed_out, result.stopped, result.code) == (True, False, -15)
    assert not run.living()


async def test_a_run_that_is_stopped_before_it_starts(run: Run) -> None:
    run.stop.set()
    assert await run.shell("echo $$").result() == Exit(code=None, stopped=True)
    assert not run.started


async def test_cancelling_ends_everything_first(run: Run) -> None:
    task = asyncio.ensure_future(run.shell(f"{IN_A_SESSION_OF_ITS_OWN}{DEAF}").result())
    await run.has_told.wait()
    task.cancel()
    await asyncio.wait((task,), timeout=0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert run.told
    assert not run.living()


@pytest.mark.parametrize("turns", range(8))
async def test_cancelling_while_a_program_starts_ends_it_too(run: Run, turns: int) -> None:
    run.program("sh", "-c", f"{IN_A_SESSION_OF_ITS_OWN}{DEAF}", stdin=b"x" * MEGABYTE)
    task = asyncio.ensure_future(run.result())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await PROCESSES.reap(run.launch.tags, 0) == 0


async def test_a_listener_that_fails_ends_the_run(run: Run) -> None:
    def fail(line: str) -> None:
        raise LookupError(line)

    with pytest.raises(LookupError, match="hello"):
        await run.shell("echo hello; sleep 1000").result(fail)
    assert not run.living()


async def test_a_full_disk_ends_the_run(run: Run) -> None:
    run.launch.transcript.symlink_to("/dev/full")
    with pytest.raises(ProcessError, match="can't write the transcript"):
        await run.shell("echo hello; sleep 1000").result()
    assert not run.living()


async def test_many_runs_at_once_do_not_touch_each_other(tmp_path: Path) -> None:
    runs = [Run(tmp_path) for _ in range(10)]
    for number, one in enumerate(runs):
        one.launch = replace(one.launch, transcript=tmp_path / str(number))
        waiting = f"setsid sh -c 'echo $$; echo >up{number}; exec sleep 1000' & cat up{number}"
        one.shell(f"mkfifo up{number}; {waiting}; exit {number}")
    results = await asyncio.gather(*(one.result() for one in runs))
    assert [result.code for result in results] == list(range(10))
    assert [len(one.told) for one in runs] == [1] * 10
    assert not any(one.living() for one in runs)


async def test_a_child_gets_a_clean_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "SECRET_TOKEN", "GIT_CONFIG_GLOBAL", "MY_KEY", "LC_TIME", "no_proxy"):
        monkeypatch.setenv(name, f"our {name}")
    command = Command(
        argv=("env",), env={"GIT_WORK_TREE": "x", "A": "command"}, pass_env=("MY_*", "GIT_*")
    )
    env = {"A": "launch", "B": "launch", "GIT_AUTHOR_NAME": "Agent", "GIT_INDEX_FILE": "x"}
    run.launch = replace(run.launch, command=command, env=env)
    await run.result()
    got = dict(line.split("=", 1) for line in run.lines)
    assert got.items() >= {**run.launch.tags, "A": "command", "B": "launch"}.items()
    assert {"PATH", "HOME", "MY_KEY", "LC_TIME", "no_proxy"} < got.keys()
    git = {name for name in got if name.startswith("GIT_")}
    assert git == {"GIT_AUTHOR_NAME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"}
    assert "SECRET_TOKEN" not in got


async def test_git_configuration_passes_only_when_it_is_named(run: Run) -> None:
    await run.program("env").result()
    assert not [line for line in run.lines if line.startswith("GIT_")]


@pytest.mark.parametrize(
    ("argv", "message", "kind"),
    [
        (("no-such-program",), "not found; install it", NotExecutableError),
        (("./plain",), "not executable", NotExecutableError),
        (("./no-interpreter",), "`#!` line right", NotExecutableError),
        (("./no-format",), "neither a program nor a script", NotExecutableError),
        (("echo", "\0"), "null byte", ProcessError),
        (("echo", "x" * 3_000_000), "too long", ProcessError),
    ],
)
async def test_a_program_that_cannot_start(
    run: Run, argv: tuple[str, ...], message: str, kind: type[ProcessError]
) -> None:
    for name, text, mode in (
        ("plain", "", 0o644),
        ("no-interpreter", "#!/no/such/thing\n", 0o755),
        ("no-format", "nothing\n", 0o755),
    ):
        (run.launch.cwd / name).write_text(text)
        (run.launch.cwd / name).chmod(mode)
    with pytest.raises(ProcessError, match=message) as told:
        await run.program(*argv, stdin=b"prompt").result()
    assert type(told.value) is kind
    assert not run.started


async def test_a_folder_that_is_missing(run: Run) -> None:
    run.launch = replace(run.launch, cwd=run.launch.cwd / "gone")
    with pytest.raises(ProcessError, match=r"its folder .*gone doesn't exist"):
        await run.result()


async def test_a_transcript_that_cannot_be_opened(run: Run) -> None:
    run.launch = replace(run.launch, transcript=run.launch.cwd / "gone" / "transcript")
    with pytest.raises(ProcessError, match="can't open the transcript"):
        await run.result()


async def test_reaping_counts_what_it_ends(run: Run) -> None:
    tags = {"ABATHUR_TEST": uuid.uuid4().hex, "ABATHUR_OTHER": "1"}
    marked = [sleeper(tags) for _ in range(3)]
    other = sleeper({**tags, "ABATHUR_OTHER": "12"})
    try:
        assert await PROCESSES.reap({}, 0) == 0
        assert await PROCESSES.reap(tags, 10) == 3
        assert [process.wait() for process in marked] == [-15] * 3
        assert other.poll() is None
        assert await PROCESSES.reap(tags, 10) == 0
    finally:
        other.kill()
        other.wait()


def test_life_is_told_by_pid_and_start() -> None:
    me = PROCESSES.me()
    assert PROCESSES.is_alive(me)
    assert not PROCESSES.is_alive(ProcessId(me.pid, me.started_at - 2))
    child = subprocess.Popen(("cat",), stdin=subprocess.PIPE)
    one = ProcessId(child.pid, start_time(child.pid) or 0)
    assert PROCESSES.is_alive(one)
    assert child.stdin
    child.stdin.close()
    # It has exited and stays a zombie, for this doesn't take its exit code.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not PROCESSES.is_alive(one)
    child.wait()
    assert not PROCESSES.is_alive(one)


ASKED = """
child='trap "echo child >> order; exit" TERM; echo $$; while :; do sleep 0.02; done'
sh -c "$child" &
trap 'sleep 0.1; echo program >> order; exit 3' INT
while :; do sleep 0.02; done
"""


async def test_the_program_is_asked_with_its_own_signal_before_what_it_started(run: Run) -> None:
    run.launch = replace(run.launch, grace_seconds=30)
    command = Command(argv=("bash", "-c", ASKED), stop_signal="INT")
    run.launch = replace(run.launch, command=command)
    result = await run.stop_when_told()
    assert result.code == 3
    assert (run.launch.cwd / "order").read_text().split() == ["program", "child"]


async def test_files_for_the_program_are_there_at_its_start_and_private(run: Run) -> None:
    path = run.launch.cwd / "own" / "mcp.json"
    run.program("sh", "-c", f"cat '{path}'; stat -c ' %a' '{path}' '{path.parent}'")
    run.launch = replace(
        run.launch, command=replace(run.launch.command, files={path: '{"token": 1}'})
    )
    await run.result()
    assert run.lines == ['{"token": 1} 600', " 700"]


async def test_a_link_in_place_of_such_a_file_is_not_followed(run: Run, tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("untouched")
    link.symlink_to(victim)
    command = Command(argv=("true",), files={link: "secret"})
    run.launch = replace(run.launch, command=command)
    await run.result()
    assert victim.read_text() == "untouched"
    assert link.read_text() == "secret"
