"""What `--json` prints is what its documentation says, field by field, after a real run."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from abathur.cli.main import call
from abathur.cli.main import cli as command_line
from abathur.cli.shape_fields import COMMAND_SHAPES, SHAPES
from abathur.cli.shape_fields_agents import COMMAND_SHAPES as ABOUT_AGENT_TYPES
from abathur.cli.shape_fields_loops import COMMAND_SHAPES as ABOUT_LOOPS
from abathur.cli.shape_fields_mcp import COMMAND_SHAPES as ABOUT_SERVERS
from abathur.cli.shape_fields_memory import COMMAND_SHAPES as ABOUT_MEMORIES
from abathur.cli.shape_fields_person import COMMAND_SHAPES as FOR_A_PERSON
from abathur.cli.shape_fields_swarm import COMMAND_SHAPES as ABOUT_THE_PROJECT_AND_PLANS
from abathur.domain.sessions import NewSession
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores
from abathur.services import asking, sessions
from tests.cli.commands import with_json
from tests.embeddings import served

CONFIG = {
    "targets": {"main": {"allow": True}},
    "default_runtime": "fake",
    "retry": {"initial_seconds": 0.05, "max_seconds": 0.1},
}
STEPS = {
    "1": [{"write": {"path": "a.txt", "text": "half\n"}}, {"fail": "no idea"}],
    "*": [
        {"usage": {"input_tokens": 5, "cost_usd": 0.25}},
        {"write": {"path": "a.txt", "text": "done\n"}},
        {"result": {"files": ["a.txt"]}},
    ],
}
PLAN = {
    "plan": "two",
    "tasks": {
        "one": {"prompt": "First", "input_data": {"script": [{"say": "hello"}]}},
        "two": {"prompt": "Second", "needs": ["one"], "estimate": "5m"},
    },
}
ABOUT_AGENTS = set(ABOUT_AGENT_TYPES)
ABOUT_THE_PROJECT = set(ABOUT_THE_PROJECT_AND_PLANS) - {"plan show"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
PLAIN: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
}


def problems(value: Any, kind: str, where: str) -> Iterator[str]:
    """How the value differs from the documented type."""
    if kind.endswith("?"):
        if value is not None:
            yield from problems(value, kind[:-1], where)
    elif kind.endswith("[]"):
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
            return
        for place, item in enumerate(value):
            yield from problems(item, kind[:-2], f"{where}[{place}]")
    elif kind == "any":
        return
    elif kind == "time":
        if not (isinstance(value, str) and TIME.fullmatch(value)):
            yield f"{where}: {value!r} is no time"
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (isinstance(value, bool) != (kind == "boolean")):
            yield f"{where}: {value!r} is no {kind}"
    else:
        yield from shape_problems(value, kind, where)


def shape_problems(value: Any, name: str, where: str) -> Iterator[str]:
    shape = SHAPES[name]
    if not isinstance(value, dict) or list(value) != list(shape):
        yield f"{where}: {value!r} hasn't exactly the fields of {name}, in order"
        return
    for field, (kind, _) in shape.items():
        yield from problems(value[field], kind, f"{where}.{field}")


class Cli:
    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capture = capture

    def __call__(self, *args: str, code: int = 0) -> str:
        self.capture.readouterr()
        assert call(["--project", str(self.root), *args]) == code
        return self.capture.readouterr().out


@pytest.fixture
def cli(git_repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    cli = Cli(git_repo, capsys)
    cli("init")
    (git_repo / ".abathur" / "config.yaml").write_text(json.dumps(CONFIG))
    return cli


def test_every_command_with_json_has_a_shape() -> None:
    assert {name for name, speaks in with_json(command_line) if speaks} == set(COMMAND_SHAPES)


def test_every_command_about_tasks_prints_its_documented_shape(cli: Cli) -> None:
    task = cli("task", "submit", "Write it", "--input-data", json.dumps({"script": STEPS})).strip()
    after = cli("task", "submit", "After it", "-p", task, "--deadline", "+2h").strip()
    cli("swarm", "start", "--until-idle")
    gone = cli("task", "submit", "Not needed", "-p", task, "--estimate", "5m").strip()
    printed = {
        "task submit": cli("task", "submit", "Open", "--target", "main", "--json"),
        "task list": cli("task", "list", "--json"),
        "task show": cli("task", "show", task, "--json"),
        "task why": cli("task", "why", task, "--json"),
        "why": cli("why", gone, "--json"),
        "task diff": cli("task", "diff", task, "--json"),
        "diff": cli("diff", task, "--json"),
        "task plan": cli("task", "plan", "--json"),
        "plan show": cli("plan", "show", "--json"),
        "task cancel": cli("task", "cancel", gone, "--json"),
        "task retry": cli("task", "retry", gone, "--json"),
        "audit show": cli("audit", "show", "--json"),
        "audit verify": cli("audit", "verify", "--json"),
        "audit replay": cli("audit", "replay", "--json"),
        "task logs": listed(cli("task", "logs", task, "--json")),
        "logs": listed(cli("logs", task, "--json")),
    }
    assert problems_of(printed) == []
    others = ABOUT_THE_PROJECT | set(FOR_A_PERSON) | ABOUT_AGENTS | set(ABOUT_LOOPS)
    others |= set(ABOUT_SERVERS) | set(ABOUT_MEMORIES)
    assert set(printed) == set(COMMAND_SHAPES) - others

    # Not vacuous: what may be null or empty was there.
    detail = json.loads(printed["task show"])
    assert [attempt["outcome"] for attempt in detail["attempts"]] == ["failed", "succeeded"]
    assert detail["attempts"][1]["usage"]["cost_usd"] == 0.25
    assert detail["attempts"][0]["salvage_ref"]
    assert detail["landings"][0]["proof"]["merge_commit"]
    assert detail["task"]["result_data"] == {"files": ["a.txt"]}
    assert detail["dependents"][0]["id"] == after
    assert json.loads(printed["logs"])


def taken_over(cli: Cli) -> str:
    cli("init", "--template", "software")
    return cli("template", "status", "--json")


def test_every_command_about_agent_types_prints_its_documented_shape(cli: Cli) -> None:
    made = cli("agent", "new", "smith", "--tools", "Read, Edit", "--json")
    file = cli.root / ".abathur" / "agents" / "smith.md"
    front = "limits: {timeout: 5m, budget: 1}\nverify: make\nmcp_servers: [abathur-memory]\n"
    file.write_text(file.read_text().replace("name: smith\n", f"name: smith\n{front}"))
    cli("agent", "new", "cook")
    printed = {
        "agent new": made,
        "agent list": cli("agent", "list", "--json"),
        "agent show": cli("agent", "show", "smith", "--json"),
        "agent check": cli("agent", "check", "--json"),
        "agent prompt": cli("agent", "prompt", cli("task", "submit", "Do it").strip(), "--json"),
        "agent templates": cli("agent", "templates", "--json"),
        "template list": cli("template", "list", "--json"),
        "template status": taken_over(cli),
        "template update": cli("template", "update", "--dry-run", "--json"),
    }
    assert problems_of(printed) == []
    assert set(printed) == ABOUT_AGENTS
    shown = json.loads(printed["agent show"])
    assert (shown["timeout"], shown["budget"], shown["tools"]) == (300, 1.0, ["Read", "Edit"])
    assert [one["name"] for one in json.loads(printed["agent list"])] == ["cook", "smith"]
    assert json.loads(printed["agent check"]) == {"ok": True, "problems": []}


def test_every_command_about_servers_prints_its_documented_shape(cli: Cli) -> None:
    servers = {"here": {"command": "sh"}, "gone": {"command": "no-such-program-at-all"}}
    (cli.root / ".mcp.json").write_text(json.dumps({"mcpServers": servers}))
    log = cli.root / ".abathur" / "logs" / "mcp.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("2030-01-31T18:00:00Z INFO task_list mcp:ada ok 3.1 ms\n")
    printed = {
        "mcp token": cli("mcp", "token", "--json"),
        "mcp install": cli("mcp", "install", "--json"),
        "mcp list": cli("mcp", "list", "--json"),
        "mcp status": cli("mcp", "status", "--json", code=1),
        "mcp logs": cli("mcp", "logs", "--json"),
    }
    assert problems_of(printed) == []
    assert set(printed) == set(ABOUT_SERVERS)


def test_every_command_about_loops_prints_its_documented_shape(cli: Cli) -> None:
    script = json.dumps({"script": [{"append": {"path": "a.txt", "text": "x\n"}}]})
    submit = ("task", "submit", "Grow", "--target", "main", "--input-data", script)
    task = cli(*submit, "--loop", "{passes: test $(wc -l < a.txt) -ge 2}").strip()
    other = (*submit[:-1], script.replace("a.txt", "b.txt"))
    several = cli(*other, "--candidate", "model=a", "--candidate", "model=b").strip()
    cli("swarm", "start", "--until-idle")
    plain = cli(*submit).strip()
    printed = {
        "agent stats": cli("agent", "stats", "--by", "model", "--json"),
        "loop start": cli("loop", "start", plain, "{stable: tree}", "--json"),
        "loop status": cli("loop", "status", task, "--json"),
        "loop stop": cli("loop", "stop", plain, "--then", "fail", "--json"),
        "task candidates": cli("task", "candidates", several, "--json"),
    }
    assert problems_of(printed) == []
    assert set(printed) == set(ABOUT_LOOPS)
    (shown,) = json.loads(printed["loop status"])
    assert [one["is_met"] for one in shown["iterations"]] == [False, True]
    assert shown["best"] == 2
    assert [one["is_winner"] for one in json.loads(printed["task candidates"])] == [False, True]


def test_every_command_about_memories_prints_its_documented_shape(cli: Cli) -> None:
    with served() as (url, _):
        memory = {"embedder": "ollama", "model": "ones", "url": url}
        (cli.root / ".abathur" / "config.yaml").write_text(json.dumps({**CONFIG, "memory": memory}))
        (cli.root / "a.md").write_text("# A\n\nSome text.\n")
        (cli.root / "b.bin").write_bytes(b"\xff\0")
        task = cli("task", "submit", "For it", "--json")
        task_id = json.loads(task)["task"]["id"]
        added = cli(
            "mem", "add", "n:a", "k", "some text", "--task", task_id, "--keep", "1d", "--json"
        )
        cli("mem", "add", "n:a", "twin", "some text")
        cli("mem", "add", "n:a", "gone", "x")
        lines = cli("mem", "export", "--json")
        (cli.root.parent / "lines").write_text(lines)
        printed = {
            "mem add": added,
            "mem export": listed(lines),
            "mem embed": cli("mem", "embed", "--json"),
            "mem get": cli("mem", "get", "n:a", "k", "--json"),
            "mem search": cli("mem", "search", "texts", "--json"),
            "mem list": cli("mem", "list", "--json"),
            "mem history": cli("mem", "history", "n:a", "k", "--json"),
            "mem forget": cli("mem", "forget", "n:a", "gone", "--json"),
            "mem restore": cli("mem", "restore", "n:a", "gone", "--json"),
            "mem duplicates": cli("mem", "duplicates", "--json"),
            "mem stats": cli("mem", "stats", "--json"),
            "mem import": cli("mem", "import", str(cli.root.parent / "lines"), "--json"),
            "mem prune": cli("mem", "prune", "--faded", "1", "--yes", "--json"),
            "docs index": cli("docs", "index", str(cli.root), "--json"),
            "docs search": cli("docs", "search", "text", "--json"),
            "docs list": cli("docs", "list", "--json"),
            "docs remove": cli("docs", "remove", "a.md", "--json"),
        }
    asyncio.run(make_session(cli.root, task_id))
    printed["session list"] = cli("session", "list", "--json")
    printed["session show"] = cli("session", "show", "s1", "--json")
    printed["session archive"] = cli("session", "archive", "s1", "--json")
    version = cli("mem", "get", "n:a", "k", "--version", "1", "--json")
    assert problems_of(printed) == []
    assert list(problems(json.loads(version), "MemoryVersion", "mem get")) == []
    assert set(printed) == set(ABOUT_MEMORIES)

    # Not vacuous: what may be null or empty was there.
    assert {json.loads(line)["key"] for line in lines.splitlines()} == {"k", "twin", "gone"}
    (first, *_) = json.loads(printed["mem search"])
    assert first["why"]["words"]
    assert first["why"]["similarity"] == pytest.approx(1)
    assert json.loads(printed["mem duplicates"])
    assert json.loads(printed["mem prune"])["memories"]
    assert json.loads(printed["mem stats"])["vectors"] == [
        {"model": "ollama:ones", "vectors": 2, "dimension": 2}
    ]
    indexed = json.loads(printed["docs index"])
    assert indexed["indexed"] == ["README.md", "a.md"]
    assert indexed["skipped"] == [{"file_path": "b.bin", "reason": "no UTF-8 text"}]
    shown = json.loads(printed["session show"])
    assert [one["task_id"] for one in shown["tasks"]] == [task_id]
    assert [one["sequence"] for one in shown["events"]] == [1]


async def make_session(root: Path, task_id: str) -> None:
    now = datetime(2030, 1, 31, tzinfo=UTC)
    async with Database(root / ".abathur" / "abathur.db") as db:
        new = NewSession(id="s1", app_name="a", user_id="u", state={"k": 1}, metadata={})
        await db.write(sessions.create, new, actor="cli:a", now=now)
        await db.write(sessions.append_event, "s1", {"n": 1}, now=now)
        await db.write(sessions.link_task, "s1", task_id)


def test_every_command_for_a_person_prints_its_documented_shape(cli: Cli) -> None:
    config = {**CONFIG, "review": {"required_for": ["main"]}}
    (cli.root / ".abathur" / "config.yaml").write_text(json.dumps(config))
    script = json.dumps({"script": STEPS})
    first, second = (
        cli("task", "submit", text, "--target", "main", "--input-data", script).strip()
        for text in ("First", "Second")
    )
    cli("swarm", "start", "--until-idle")
    status = cli("swarm", "status", "--json")
    listed = cli("review", "list", "--json")
    reviews = {one["task_id"]: one["id"] for one in json.loads(listed)}
    printed = {
        "swarm status": status,
        "review list": listed,
        "review show": cli("review", "show", reviews[first], "--json"),
        "review answer": cli("review", "answer", ask(cli, first), "8080", "--json"),
        "review approve": cli("review", "approve", reviews[first], "--comment", "ok", "--json"),
        "review reject": cli("review", "reject", reviews[second], "--comment", "no", "--json"),
        "salvage list": cli("salvage", "list", "--json"),
        "salvage show": cli("salvage", "show", f"{first}/1", "--json"),
        "salvage restore": cli(
            "salvage", "restore", first, "--worktree", str(cli.root.parent / "back"), "--json"
        ),
    }
    assert problems_of(printed) == []
    assert set(printed) - {"swarm status"} == set(FOR_A_PERSON)
    assert len(json.loads(status)["reviews"]) == 2
    assert json.loads(printed["review show"])["files"]
    assert json.loads(printed["salvage show"])["files"]


def ask(cli: Cli, task_id: str) -> str:
    """As an agent of the task would; the id of its question."""
    review_id = "01234567-89ab-7def-8123-456789abcdef"

    async def write() -> None:
        async with Database(cli.root / ".abathur" / "abathur.db") as db:
            await db.write(put, db.clock().now())

    def put(stores: Stores, now: datetime) -> None:
        task = stores.tasks.get(task_id)
        assert task is not None
        asking.question(stores, task, "Which port?", "", review_id, actor="mcp:agent", now=now)

    asyncio.run(write())
    return review_id


def test_every_command_about_the_project_prints_its_documented_shape(cli: Cli) -> None:
    init = cli("init", "--json")
    (cli.root / "plan.json").write_text(json.dumps(PLAN))
    (cli.root / ".git" / "info" / "exclude").write_text("plan.json\n")
    applied = cli("plan", "apply", str(cli.root / "plan.json"), "--json")
    cli("task", "submit", "Later", "--not-before", "+1d")
    *events, result = cli("swarm", "start", "--until-idle", "--json").splitlines()
    source = str(cli.root / ".abathur" / "abathur.db")
    waiting = cli("task", "submit", "Waits", "--touches", "docs/").strip()
    printed = {
        "init": init,
        "plan apply": applied,
        "pause": cli("pause", "--task", waiting, "--until", "+1h", "--json"),
        "swarm status": cli("swarm", "status", "--json"),
        "swarm stop": cli("swarm", "stop", "--json"),
        "swarm reload": cli("swarm", "reload", "--json"),
        "doctor": cli("doctor", "--json"),
        "trust": cli("trust", "--json"),
        "db check": cli("db", "check", "--json"),
        "db backup": cli("db", "backup", str(cli.root.parent / "copy.db"), "--json"),
        "db migrate": cli("db", "migrate", "--json"),
        "db info": cli("db", "info", "--json"),
        "db restore": cli("db", "restore", str(cli.root.parent / "copy.db"), "--json"),
        "db recover": cli("db", "recover", str(cli.root.parent / "new.db"), "--json"),
        "db vacuum": cli("db", "vacuum", "--json"),
        "task prune": cli("task", "prune", "--status", "completed", "--yes", "--json"),
        "db copy": cli("db", "copy", source, str(cli.root.parent / "moved.db"), "--json"),
        "db legacy": cli("db", "legacy", "--json"),
        "cost": cli("cost", "--json"),
        "task budget": cli("task", "budget", waiting, "2.50", "--json"),
        "reconcile": cli("reconcile", "--json"),
        "clean": cli("clean", "--json"),
    }
    queue = cli("why", "--json")
    printed["resume"] = cli("resume", "--all", "--json")
    printed |= schedules(cli)
    found = problems_of(printed) + list(problems(json.loads(queue), "Queue", "why"))
    found += problems([json.loads(line) for line in events], "SwarmEvent[]", "swarm start")
    found += problems(json.loads(result), "SwarmResult", "swarm start")
    assert found == []
    # These are compared where they run, in tests/cli/test_demo.py, test_chaos.py and test_dev.py.
    assert {*printed, "swarm start", "demo", "chaos", "dev model"} == ABOUT_THE_PROJECT

    # Not vacuous: what may be null or empty was there.
    kinds = {json.loads(line)["kind"] for line in events}
    assert {"swarm_started", "agent_event", "task_completed", "swarm_stopped"} <= kinds
    end = json.loads(result)
    assert (end["completed"], end["scheduled"], end["stopped_by"]) == (2, 1, "idle")
    assert end["next_due"]
    assert json.loads(printed["swarm status"])["next_due"] == end["next_due"]
    assert json.loads(printed["swarm status"])["queue"] == json.loads(queue)
    assert [one["tasks"] for one in json.loads(queue)["refused"]] == [[waiting]]
    assert [hold["name"] for hold in json.loads(printed["resume"])] == [waiting]


def schedules(cli: Cli) -> dict[str, str]:
    added = cli("schedule", "add", "nightly", "0 3 * * *", "Tidy", "--budget", "2", "--json")
    assert len(json.loads(added)["next_times"]) == 5
    return {
        "schedule add": added,
        "schedule list": cli("schedule", "list", "--json"),
        "schedule show": cli("schedule", "show", "nightly", "--json"),
        "schedule run": cli("schedule", "run", "nightly", "--json"),
        "schedule pause": cli("schedule", "pause", "nightly", "--json"),
        "schedule resume": cli("schedule", "resume", "nightly", "--json"),
        "schedule remove": cli("schedule", "remove", "nightly", "--json"),
    }


def test_a_swarm_at_work_is_told_in_its_documented_shape(cli: Cli) -> None:
    hang = {"script": [{"say": "hanging"}, {"hang": True}]}
    cli("task", "submit", "Hang", "--input-data", json.dumps(hang))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "abathur", "swarm", "start", "--json"]
    with subprocess.Popen(command, cwd=cli.root, env=env, stdout=subprocess.PIPE) as swarm:
        assert swarm.stdout is not None
        while json.loads(swarm.stdout.readline())["text"] != "hanging":
            assert swarm.poll() is None
        status = cli("swarm", "status", "--json")
        stopped = cli("swarm", "stop", "--now", "--json")
        last = swarm.stdout.read().splitlines()[-1]
    printed = {"swarm status": status, "swarm stop": stopped}
    assert [*problems_of(printed), *problems(json.loads(last), "SwarmResult", "swarm start")] == []
    found = json.loads(status)
    assert [worker["alive"] for worker in found["workers"]] == [True]
    assert [one["attempt"]["number"] for one in found["running"]] == [1]
    assert json.loads(stopped) == {"workers": [found["workers"][0]["id"]], "stopped": True}
    assert json.loads(last)["stopped_by"] in ("signal", "request")


def listed(lines: str) -> str:
    return f"[{','.join(lines.splitlines())}]"


def problems_of(printed: Mapping[str, str]) -> list[str]:
    """By the documented shape; that of a line holds for each of them."""
    found: list[str] = []
    for command, text in printed.items():
        kind = COMMAND_SHAPES[command].replace(", one on each line", "[]").partition(";")[0]
        found += problems(json.loads(text), kind, command)
    return found


def test_errors_have_their_documented_shape(cli: Cli) -> None:
    cli.capture.readouterr()
    assert call(["--project", str(cli.root), "task", "show", "ffff", "--json"]) == 3
    captured = cli.capture.readouterr()
    assert captured.out == ""
    assert list(problems(json.loads(captured.err)["error"], "Error", "error")) == []


def test_every_field_is_explained_or_plain() -> None:
    known = {*PLAIN, "any", "time", *SHAPES}
    for name, shape in SHAPES.items():
        for field, (kind, meaning) in shape.items():
            assert re.sub(r"[\[\]?]", "", kind) in known, f"{name}.{field}: {kind}"
            assert meaning or name == "Usage", f"{name}.{field}"
            assert not meaning.endswith("."), f"{name}.{field}"


def test_every_shape_is_printed_by_something() -> None:
    used = {name for kind in COMMAND_SHAPES.values() for name in re.findall(r"\w+", kind)}
    inner = {re.sub(r"[\[\]?]", "", kind) for s in SHAPES.values() for kind, _ in s.values()}
    assert set(SHAPES) - used - inner == {"Error"}
