"""The benchmarks run, and hand out the JSON that their page describes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "measurements.md"
NAMES = (
    *(
        "start",
        "queue",
        "claim-scale",
        "wake",
        "processes",
        "fleet",
        "swarm",
        "runs",
        "idle",
        "agents",
        "open",
        "memory",
        "mcp",
    ),
    "peers",
)
QUICK = ("start", "wake", "open", "peers")
TABLES = (*QUICK[:-1], "peers-sqlite", "peers-sqlite-wake", "peers-sqlite-settings")


def bench(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


OLD_PAGE = """# Page

## `open`: before

| old | table |
| --- | --- |
| 1 | 2 |

After.

## `swarm`: not measured

| kept |
| --- |
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "page.md").write_text(OLD_PAGE)
    files = ("--json", str(folder / "figures.json"), "--page", str(folder / "page.md"))
    done = bench(*QUICK, "--size", "small", "--store", "sqlite", *files)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def told(folder: Path) -> Any:
    return json.loads((folder / "figures.json").read_text())


def test_a_page_gets_new_tables_and_keeps_its_words(folder: Path, told: Any) -> None:
    page = (folder / "page.md").read_text()
    assert "| SQLite | none yet |" in page
    assert f"at {told['machine']['at']}.\n\nAfter.\n" in page
    assert "old" not in page
    assert page.endswith("| kept |\n| --- |\n")


def test_figures_come_with_what_they_depend_on(told: Any) -> None:
    assert list(told) == ["machine", "durability", "size", "benchmarks"]
    machine = ["at", "abathur", "python", "sqlite", "git", "system", "cpu", "cores", "load"]
    assert list(told["machine"]) == machine
    assert told["durability"]["synchronous"] == "FULL"
    assert told["size"] == "small"


def test_every_benchmark_has_a_title_and_rows_of_one_shape(told: Any) -> None:
    assert tuple(told["benchmarks"]) == TABLES
    for one in told["benchmarks"].values():
        assert one["title"]
        assert len({tuple(row) for row in one["rows"]}) == 1


def test_start_up_is_compared_with_bare_python(told: Any) -> None:
    first = told["benchmarks"]["start"]["rows"][0]
    assert first["command"] == "python -c pass"
    assert first["times bare Python"] == 1


def test_opening_is_measured_with_real_rows(told: Any) -> None:
    rows = told["benchmarks"]["open"]["rows"]
    assert [row["database"] for row in rows] == ["none yet", "one task", "0.005 GB"]
    assert rows[-1]["tasks"] > 500


def test_our_figures_stand_beside_the_raw_limit_of_the_same_round(told: Any) -> None:
    rows = {row["step"]: row for row in told["benchmarks"]["peers-sqlite"]["rows"]}
    assert list(rows) == ["enqueue", "batch enqueue", "claim", "complete", "cycle"]
    for row in rows.values():
        assert row["Abathur/s"] > 0
        assert row["raw limit/s"] > 0
        assert row["share of raw"] is not None


def test_a_wake_up_reaches_another_process(told: Any) -> None:
    (ours, *_) = told["benchmarks"]["peers-sqlite-wake"]["rows"]
    assert ours["queue"] == "Abathur"
    assert ours["rounds"] == 3
    assert ours["not measured"] == "-"


def test_every_queue_says_what_it_promised_or_why_it_is_missing(told: Any) -> None:
    rows = {row["queue"]: row for row in told["benchmarks"]["peers-sqlite-settings"]["rows"]}
    for name in ("Abathur", "raw limit"):
        assert "synchronous FULL" in rows[name]["read back"]
        assert rows[name]["not measured"] == "-"
    # Other people's queues are not in the environment of the tests.
    assert rows["huey"]["not measured"] == "huey isn't installed"
    assert rows["huey"]["read back"] == "-"


def test_a_queue_that_fails_at_one_thing_goes_on_with_the_next(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    asked = [
        {"do": "open", "where": str(file)},
        {"do": "open", "where": str(tmp_path / "queue")},
        {"do": "enqueue"},
    ]
    command = [sys.executable, "-m", "benchmarks.peers.player", "Abathur"]
    lines = "".join(f"{json.dumps(one)}\n" for one in asked)
    done = subprocess.run(
        command, cwd=ROOT, input=lines, capture_output=True, text=True, check=True
    )
    failed, opened, put = (json.loads(line) for line in done.stdout.splitlines())
    assert failed["error"].startswith("FileExistsError")
    assert opened == {"ready": True}
    assert put["called"] < put["returned"]


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    done = bench("nope")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"bench: no benchmark is named `nope`; there are: {', '.join(NAMES)}"
    )


def test_the_page_tells_of_every_benchmark() -> None:
    headings = [line for line in PAGE.read_text().splitlines() if line.startswith("## ")]
    assert [name for name in NAMES if not any(f"`{name}`" in line for line in headings)] == []
