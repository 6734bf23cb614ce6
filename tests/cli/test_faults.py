"""What a person sees of each fault: one line that helps, an exit code, and nothing half written."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from abathur.infrastructure.database.engines.sqlite import connect
from tests.cli.conftest import configure
from tests.infrastructure.database.legacy.older import LAST, make, task

if TYPE_CHECKING:
    from tests.cli.conftest import Abathur

HANG: list[dict[str, Any]] = [{"say": "hanging"}, {"hang": True}]
FAST = {"max_agents": 1, "grace_seconds": 1, "heartbeat_seconds": 0.2, "lease_seconds": 5}
DATABASE = 6
Damage = Callable[[Path], None]


@pytest.fixture
def file(abathur: "Abathur") -> Path:
    for number in range(20):
        abathur.submit(f"Kept {number} {'x' * 3000}")
    return abathur.root / ".abathur" / "abathur.db"


def empty(file: Path) -> None:
    file.write_bytes(b"")


def remove(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2 // 4096 * 4096)


def overwrite(file: Path) -> None:
    file.write_text("Dear database,\n" * 400)


def behead(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(bytes(100))


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def zero_pages(file: Path) -> None:
    """Of the first that come after the header, which every command reads."""
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(bytes(10 * 4096))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (empty, "is empty, though there was a queue in it; put a backup back"),
        (remove, "is gone, though there was a queue in it; put a backup back"),
        (cut, "is damaged"),
        (overwrite, "isn't a SQLite database"),
        (behead, "isn't a SQLite database"),
        (make_folder, "is a folder"),
        (zero_pages, "is damaged"),
    ],
)
def test_a_file_that_can_not_be_read_is_told_by_one_line(
    abathur: "Abathur", file: Path, damage: Damage, words: str
) -> None:
    damage(file)
    before = file.read_bytes() if file.is_file() else None
    for command in (("task", "list"), ("task", "list", "--json")):
        told = abathur(*command)
        assert (told.code, told.out) == (DATABASE, "")
        assert words in told.line
        assert str(file) in told.line
    assert (file.read_bytes() if file.is_file() else None) == before


def test_a_file_of_a_name_that_was_given_is_told_to_be_gone_too(
    abathur: "Abathur", tmp_path: Path
) -> None:
    at = ("--db", str(tmp_path / "other.db"))
    never = abathur(*at, "task", "list")
    assert (never.code, "there is no database" in never.line) == (3, True)
    abathur.ok(*at, "task", "submit", "Lost")
    (tmp_path / "other.db").unlink()
    told = abathur(*at, "task", "list")
    assert told.code == DATABASE
    assert "is gone, though there was a queue in it; put a backup back" in told.line


def test_a_queue_that_is_given_up_begins_anew(abathur: "Abathur", file: Path) -> None:
    for found in file.parent.glob("abathur.db*"):
        found.unlink()
    assert abathur("task", "list", "--json").json == []


def test_a_copy_of_a_damaged_file_is_refused_and_the_file_is_named(
    abathur: "Abathur", file: Path, tmp_path: Path
) -> None:
    zero_pages(file)
    told = abathur("db", "backup", str(tmp_path / "copy.db"))
    assert told.code == DATABASE
    assert f"`{file}` is damaged" in told.line
    assert list(tmp_path.glob("*copy.db*")) == []


def flipped(sound: bytes, text: bytes) -> Iterator[bytes]:
    """The file with one byte changed, once for each place that has the text."""
    at = sound.find(text)
    while at >= 0:
        yield sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :]
        at = sound.find(text, at + 1)


def contents(file: Path) -> dict[str, list[Any]]:
    connection = connect(str(file), busy_timeout=1, read_only=True)
    tables = {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
        for table in ("tasks", "audit")
    }
    connection.close()
    return tables


def test_a_flipped_byte_is_found_by_proving_the_trail(abathur: "Abathur", file: Path) -> None:
    abathur.submit("Paint the zebra")
    sound, before = file.read_bytes(), contents(file)
    hit = set()
    for damaged in flipped(sound, b"zebra"):
        file.write_bytes(damaged)
        changed = {table for table, rows in contents(file).items() if rows != before[table]}
        assert abathur.ok("db", "check") == "no problems found"
        # Some places are remains of what stood there before, which nobody reads.
        assert abathur("audit", "verify").code == bool(changed)
        hit |= changed
    assert hit == {"tasks", "audit"}


def test_an_older_state_is_found_by_an_anchor_that_was_kept(
    abathur: "Abathur", file: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    abathur.ok("db", "backup", str(copy))
    abathur.submit("Written later")
    anchor = abathur.ok("audit", "verify").split()[-1]
    copy.replace(file)
    assert abathur.ok("db", "check", "--full") == "no problems found"
    assert abathur("audit", "verify").code == 0
    told = abathur("audit", "verify", "--anchor", anchor)
    assert told.code == 1, told


# --- disks that are full or read-only -----------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_refuses_and_loses_nothing(abathur: "Abathur", small_disk: Path) -> None:
    at = ("--db", str(small_disk / "queue.db"))
    kept = abathur.ok(*at, "task", "submit", "Kept")
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb") as opened:
        while True:
            opened.write(bytes(4096))
            opened.flush()
    for command in (("task", "submit"), ("mem", "add", "zoo", "pet"), ("docs", "index", ".")):
        text = () if command[0] == "docs" else ("x" * 50_000,)
        told = abathur(*at, *command, *text)
        assert told.code == DATABASE
        assert "no space is left for" in told.line
        assert "nothing was written; free some" in told.line
    # What reads goes on, also where there is no room for the index of a log.
    copy = abathur.root / "copy.db"
    assert abathur.ok(*at, "task", "show", kept[:13])
    assert abathur.ok(*at, "db", "check") == "no problems found"
    assert abathur.ok(*at, "db", "backup", str(copy))
    assert [one["id"] for one in abathur("--db", str(copy), "task", "list", "--json").json] == [
        kept
    ]
    filler.unlink()
    assert [one["id"] for one in abathur(*at, "task", "list", "--json").json] == [kept]
    assert abathur(*at, "mem", "list", "--json").json == []
    assert abathur.ok(*at, "db", "check", "--full") == "no problems found"


def test_a_backup_onto_a_full_disk_leaves_nothing_there(
    abathur: "Abathur", file: Path, small_disk: Path
) -> None:
    (small_disk / "filler").write_bytes(bytes(1_000_000))
    told = abathur("db", "backup", str(small_disk / "copy.db"))
    assert told.code == DATABASE
    assert f"no space is left for `{small_disk / 'copy.db'}`" in told.line
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_an_older_file_on_a_full_disk_stays_as_it_is_until_there_is_room(
    abathur: "Abathur", small_disk: Path
) -> None:
    older, filler = small_disk / "queue.db", small_disk / "filler"
    make(older, LAST, {"tasks": [task(1)]})
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 200_000))
    told = abathur("--db", str(older), "task", "list")
    assert told.code == DATABASE
    assert f"`{older}` is of an older Abathur, and no space is left for a converted" in told.line
    assert sorted(path.name for path in small_disk.iterdir()) == [
        "filler", "queue.db", "queue.db.lock"
    ]  # fmt: skip
    filler.unlink()
    assert len(abathur("--db", str(older), "task", "list", "--json").json) == 1


def test_recovering_onto_a_full_disk_leaves_nothing_there(
    abathur: "Abathur", file: Path, small_disk: Path
) -> None:
    zero_pages(file)
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - 480_000))
    target = small_disk / "new.db"
    told = abathur("db", "recover", str(target))
    assert (told.code, told.line) == (
        DATABASE,
        f"abathur: no space is left for `{target}`, nothing was written; free some, then try again",
    )
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_file_size_limit_is_told_as_a_full_disk(abathur: "Abathur", file: Path) -> None:
    limited = f"ulimit -f 50; exec {sys.executable} -m abathur --project {abathur.root} "
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        ["sh", "-c", f"{limited} task submit {'y' * 90_000}"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == DATABASE, done.stderr
    assert "no space is left" in done.stderr
    assert len(abathur("task", "list", "--json").json) == 20


@pytest.fixture
def read_only_disk(file: Path) -> Iterator[Path]:
    """The project's folder once more, on a mount that even the administrator can't write to."""
    with tempfile.TemporaryDirectory() as place:
        bind = ["mount", "--bind", str(file.parents[1]), place]
        if shutil.which("mount") is None or subprocess.run(bind, check=False).returncode:
            pytest.skip("mounting is not permitted here")
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield Path(place)
        subprocess.run(["umount", "--lazy", place], check=True)


def test_a_read_only_disk_is_told_to_who_writes_and_read_by_others(
    abathur: "Abathur", read_only_disk: Path
) -> None:
    abathur.root = read_only_disk
    told = abathur("task", "submit", "In vain")
    assert told.code == DATABASE
    assert "can't be written (Read-only file system)" in told.line
    assert len(abathur("task", "list", "--json").json) == 20
    assert abathur.ok("db", "check", "--full") == "no problems found"


# --- files taken away under a swarm --------------------------------------------------------------


def agents(root: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if str(root / ".abathur") in process.environ().get("ABATHUR_FACTS", ""):
                found.append(process.pid)
    return found


def test_a_swarm_whose_database_is_deleted_ends_with_its_agents(abathur: "Abathur") -> None:
    configure(abathur, swarm=FAST)
    abathur.script("Hang", *HANG)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    swarm = abathur.popen("swarm", "start", "--json", **pipes)
    assert swarm.stdout is not None
    assert any(b"hanging" in line for line in swarm.stdout)
    assert agents(abathur.root)
    for found in (abathur.root / ".abathur").glob("abathur.db*"):
        found.unlink()
    _, told = swarm.communicate(timeout=60)
    assert swarm.returncode == DATABASE, told
    assert b"deleted or replaced" in told
    assert agents(abathur.root) == []
