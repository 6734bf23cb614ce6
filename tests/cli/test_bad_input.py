"""What goes wrong is told in one line by the real program, and nothing is half done.

Each line says what is wrong, with which thing, and what to do.
"""

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.cli.conftest import Abathur, configure

CYCLE = """{"plan": "p", "tasks": {
    "a": {"prompt": "x", "needs": ["b"]}, "b": {"prompt": "y", "needs": ["a"]}}}"""
LOST = '{"plan": "p", "tasks": {"a": {"prompt": "x", "target": "nope"}}}'
TORN = '{"plan": "p", "tasks": ['
DROP_CAPABILITY, DAC_OVERRIDE, DAC_READ_SEARCH = 24, 1, 2


@dataclass
class Scene:
    """A project with two tasks, and files beside it."""

    abathur: Abathur
    first: str
    second: str

    @property
    def root(self) -> Path:
        return self.abathur.root

    @property
    def database(self) -> Path:
        return self.root / ".abathur" / "abathur.db"

    def typed(self, args: str) -> list[str]:
        """`{first}` and `{beside}` stand for what isn't known before."""
        names = {"first": self.first, "beside": str(self.root.parent)}
        return [part.format(**names) for part in args.split()]

    def tasks(self) -> Any:
        return self.abathur("task", "list", "--json").json

    def sql(self, *statements: str) -> None:
        connection = apsw.Connection(str(self.database))
        for statement in statements:
            connection.execute(statement)
        connection.close()

    def replace_database(self, *statements: str) -> None:
        for file in self.root.glob(".abathur/abathur.db*"):
            file.unlink()
        self.sql(*statements)


@pytest.fixture
def scene(abathur: Abathur) -> Scene:
    beside = abathur.root.parent
    for name, text in {"cycle": CYCLE, "lost": LOST, "torn": TORN}.items():
        (beside / f"{name}.json").write_text(text)
    return Scene(abathur, abathur.submit("One"), abathur.submit("Two"))


def one_line(scene: Scene, args: Sequence[str], **options: Any) -> tuple[int, str]:
    result = scene.abathur.process(*args, **options)
    assert result.line.startswith("abathur: ")
    assert "Traceback" not in result.err
    return result.code, result.line


REFUSED = [
    ("why zz", 2, ["`zz` isn't a task id", "`abathur task list`"]),
    ("why ffff", 3, ["no task has an id that begins with `ffff`", "`abathur task list`"]),
    ("task cancel {first} ffff", 3, ["begins with `ffff`"]),
    ("task retry {first}", 4, ["{first} is ready", "only a failed or cancelled one"]),
    ("logs {first}", 3, ["{first} hasn't been started yet", "`abathur why {first}`"]),
    ("diff {first} --attempt 2", 3, ["{first} hasn't been started yet"]),
    ("audit ffff", 3, ["begins with `ffff`"]),
    ("task submit x -p ffff", 3, ["begins with `ffff`"]),
    ("task submit x --target nope", 5, ["no branch `nope`", "`git branch nope`"]),
    ("task submit x --deadline soon", 2, ["deadline: `soon` isn't a time", "2030-01-31T18:00"]),
    ("task submit x --deadline 2030-01-31", 2, ["has no time zone", "+2h"]),
    ("task submit x --not-before +x", 2, ["not-before: `x` isn't a duration", "10m"]),
    ("task submit x --estimate 1.5", 2, ["estimate: `1.5` isn't a duration", "10m"]),
    ("task submit x --timeout 0", 2, ["timeout: 0 isn't a whole number from 1"]),
    ("task submit x --priority 11", 2, ["priority: 11", "0 to 10"]),
    ("task submit x --input-data [1]", 2, ["input-data", '{{"key": 1}}']),
    ("task list --status lost", 2, ["'lost'", "'ready'", "`abathur task list --help`"]),
    ("task lst", 2, ["no such command 'lst'", "list"]),
    ("plan apply {beside}/cycle.json", 2, ["cycle.json:2", "a -> b -> a", "remove one"]),
    ("plan apply {beside}/lost.json", 2, ["lost.json:1", "no branch `nope`", "`git branch nope`"]),
    ("plan apply {beside}/torn.json", 2, ["torn.json:1: syntax"]),
    ("plan apply {beside}/none.json", 2, ["none.json can't be read", "check its name"]),
    ("db backup {beside}/cycle.json", 2, ["cycle.json is there already", "name a new file"]),
    ("db backup {beside}/no/copy.db", 2, ["{beside}/no doesn't exist", "make it first"]),
    ("--db {beside}/none.db db info", 3, ["no database {beside}/none.db", "`abathur init`"]),
]


@pytest.mark.parametrize(("args", "code", "parts"), REFUSED, ids=[args for args, _, _ in REFUSED])
def test_what_is_refused_changes_nothing(
    scene: Scene, args: str, code: int, parts: list[str]
) -> None:
    before = scene.tasks()
    found, line = one_line(scene, scene.typed(args))
    names = {"first": scene.first, "beside": str(scene.root.parent)}
    assert [part for part in parts if part.format(**names) not in line] == []
    assert found == code
    assert scene.tasks() == before


# --- a project that isn't fit to be used --------------------------------------------------


def dirty(scene: Scene) -> None:
    (scene.root / "README.md").write_text("mine")


def torn_configuration(scene: Scene) -> None:
    (scene.root / ".abathur" / "config.yaml").write_text("swarm:\n  lease: [1\n")


def mistyped_configuration(scene: Scene) -> None:
    configure(scene.abathur, swarm={"max_agnts": 3})


def no_program(scene: Scene) -> None:
    configure(
        scene.abathur,
        default_runtime="claude",
        runtimes={"claude": {"program": str(scene.root / "none")}},
    )


def garbage(scene: Scene) -> None:
    scene.replace_database()
    scene.database.write_text("This is no database, but it is long enough to be one. " * 99)


def damaged(scene: Scene) -> None:
    scene.sql("PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode = DELETE")
    data = scene.database.read_bytes()
    scene.database.write_bytes(data[:8192] + bytes(len(data) - 8192))


def newer(scene: Scene) -> None:
    scene.sql("INSERT INTO schema_migrations VALUES (99, 'later', 'x', '2030-01-01')")


def foreign(scene: Scene) -> None:
    scene.replace_database("CREATE TABLE songs (id)")


UNFIT: list[tuple[Callable[[Scene], None], str, int, list[str]]] = [
    (dirty, "swarm start", 4, ["`main`", "uncommitted changes at", "commit or stash", "--allow-"]),
    (torn_configuration, "task submit x", 2, ["config.yaml:3: not valid YAML"]),
    (mistyped_configuration, "swarm start", 2, ["max_agnts", "did you mean `swarm.max_agents`"]),
    (
        no_program,
        "swarm start --until-idle",
        7,
        ["none` of agent type `general` doesn't exist", "install"],
    ),
    (garbage, "task submit x", 6, ["abathur.db` isn't a SQLite database", "--db"]),
    (garbage, "swarm start", 6, ["abathur.db` isn't a SQLite database", "--db"]),
    (damaged, "task list", 6, ["abathur.db` is damaged", "puts a backup in its place"]),
    (newer, "task submit x", 6, ["has schema 99", "update Abathur"]),
    (foreign, "task list", 6, ["abathur.db` is a database of another program", "--db"]),
]


@pytest.mark.parametrize(
    ("spoil", "args", "code", "parts"),
    UNFIT,
    ids=[f"{case[0].__name__} {case[1]}" for case in UNFIT],
)
def test_a_project_that_is_not_fit_is_left_as_it_is(
    scene: Scene, spoil: Callable[[Scene], None], args: str, code: int, parts: list[str]
) -> None:
    spoil(scene)
    before = contents(scene)
    found, line = one_line(scene, args.split())
    assert [part for part in parts if part not in line] == []
    assert found == code
    assert contents(scene) == before


def contents(scene: Scene) -> dict[str, bytes]:
    """Of all files; what stands beside a database while it is open says nothing."""
    files = [path for path in (scene.root / ".abathur").rglob("*") if path.is_file()]
    return {
        path.name: path.read_bytes()
        for path in files
        if not path.name.startswith(("abathur.db-", "abathur.db.lock"))
    }


# --- no project at all --------------------------------------------------------------------


@pytest.mark.parametrize("args", ["task list", "task submit x", "swarm start", "db check", "audit"])
def test_outside_of_a_project(scene: Scene, args: str) -> None:
    outside = scene.root.parent
    code, line = one_line(scene, args.split(), cwd=outside)
    assert code == 3
    assert line.endswith(f"above {outside}; run `abathur init` in a git repository first")


def test_init_needs_a_repository_with_a_commit(scene: Scene, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    code, line = one_line(scene, ["init"], cwd=folder)
    assert (code, "no git repository" in line, "`git init`" in line) == (5, True, True)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    code, line = one_line(scene, ["init"], cwd=folder)
    assert (code, "has no commit yet" in line, "`git commit" in line) == (5, True, True)
    assert not (folder / ".abathur").exists()


# --- files that can't be written ----------------------------------------------------------


def without_privileges() -> None:
    """In the child: make the rights of files count for root too."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
        libc.prctl(DROP_CAPABILITY, capability, 0, 0, 0)


def as_a_person() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    if sys.platform != "linux":
        pytest.skip("root may write everywhere")
    return {"preexec_fn": without_privileges}


@pytest.mark.parametrize("args", ["task submit x", "swarm start", "init"])
def test_a_folder_that_can_not_be_written(scene: Scene, args: str) -> None:
    options = as_a_person()
    before = scene.tasks()
    paths = [*scene.database.parent.glob("abathur.db*"), scene.database.parent]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        code, line = one_line(scene, args.split(), **options)
    finally:
        for path in reversed(paths):
            path.chmod(0o755)
    assert code == 6
    assert str(scene.database) in line
    assert line.endswith("can't be written (Permission denied); check their owner and permissions")
    assert scene.tasks() == before


def test_init_where_nothing_can_be_written(scene: Scene, tmp_path: Path) -> None:
    options = as_a_person()
    other = tmp_path / "other"
    shutil.copytree(scene.root, other, ignore=shutil.ignore_patterns(".abathur"))
    other.chmod(0o555)
    try:
        code, line = one_line(scene, ["init"], cwd=other, **options)
    finally:
        other.chmod(0o755)
    path = other / ".abathur"
    assert (code, line) == (
        6,
        f"abathur: {path}: permission denied; check its owner and permissions",
    )


# --- a full disk --------------------------------------------------------------------------


def with_room(scene: Scene, room: int) -> dict[str, Any]:
    """A process whose files can't grow by more than that, as if the disk were full then."""
    limit = room + max(path.stat().st_size for path in scene.database.parent.glob("abathur.db*"))
    return {
        "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        "stdin": subprocess.DEVNULL,
    }


def test_a_full_disk_while_enqueuing(scene: Scene) -> None:
    before = scene.tasks()
    prompt = "x" * 100_000
    room = 65_536  # for any file: too little for the log that the prompt goes to
    size = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))}
    code, line = one_line(scene, ["task", "submit", prompt], **size)
    assert code == 6
    assert line == (
        f"abathur: no space is left for `{scene.database}`, nothing was written; "
        "free some, then try again"
    )
    assert scene.tasks() == before
    assert scene.abathur.ok("db", "check", "--full") == "no problems found"
    # There is room again.
    task = scene.abathur.process("task", "submit", prompt).out.strip()
    assert [one["id"] for one in scene.tasks()] == [scene.first, scene.second, task]
    scene.abathur.run_swarm()
    assert {one["status"] for one in scene.tasks()} == {"completed"}


@pytest.mark.parametrize("args", ["task submit x", "swarm start"])
def test_a_disk_without_room_even_for_opening(scene: Scene, args: str) -> None:
    size = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))}
    before = scene.tasks()
    for path in scene.database.parent.glob("abathur.db-*"):
        assert path.stat().st_size == 0  # the last one to close leaves nothing to open with
    code, line = one_line(scene, args.split(), **size)
    assert (code, f"no space is left for `{scene.database}`" in line) == (6, True)
    read = scene.abathur.process("task", "list", "--json", **size)  # needs none
    assert (read.code, json.loads(read.out)) == (0, before)
    assert scene.tasks() == before


def test_a_full_disk_in_the_middle_of_a_plan(scene: Scene) -> None:
    before = scene.tasks()
    tasks = {f"t{number}": {"prompt": "x" * 20_000} for number in range(20)}
    plan = scene.root.parent / "big.json"
    plan.write_text(json.dumps({"plan": "big", "tasks": tasks}))
    code, line = one_line(scene, ["plan", "apply", str(plan)], **with_room(scene, 100_000))
    assert (code, "no space is left" in line) == (6, True)
    assert scene.tasks() == before
    assert scene.abathur.ok("plan", "apply", str(plan)).endswith("plan big: 20 queued")


@pytest.mark.parametrize("args", ["task list", "audit", "audit verify", "db check"])
def test_a_mistyped_database_is_not_made(scene: Scene, args: str) -> None:
    typo = scene.root / "typo.db"
    code, line = one_line(scene, ["--db", str(typo), *args.split()])
    assert (code, "there is no database" in line) == (3, True)
    assert not typo.exists()
