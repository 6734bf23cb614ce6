"""The benchmarks run, and hand out the JSON that their page describes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "measurements.md"
NAMES = ("start", "queue", "claim-scale", "wake", "processes", "swarm", "idle")
QUICK = ("start", "wake")


def bench(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    done = bench(*QUICK, "--size", "small", "--json", str(file))
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text())


def test_figures_come_with_what_they_depend_on(told: Any) -> None:
    assert list(told) == ["machine", "durability", "size", "benchmarks"]
    machine = ["at", "abathur", "python", "sqlite", "git", "system", "cores", "load"]
    assert list(told["machine"]) == machine
    assert told["durability"]["synchronous"] == "FULL"
    assert told["size"] == "small"


def test_every_benchmark_has_a_title_and_rows_of_one_shape(told: Any) -> None:
    assert tuple(told["benchmarks"]) == QUICK
    for one in told["benchmarks"].values():
        assert one["title"]
        assert len({tuple(row) for row in one["rows"]}) == 1


def test_start_up_is_compared_with_bare_python(told: Any) -> None:
    first = told["benchmarks"]["start"]["rows"][0]
    assert first["command"] == "python -c pass"
    assert first["times bare Python"] == 1


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    done = bench("nope")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"bench: no benchmark is named `nope`; there are: {', '.join(NAMES)}"
    )


def test_the_page_tells_of_every_benchmark() -> None:
    headings = [line for line in PAGE.read_text().splitlines() if line.startswith("## ")]
    assert [name for name in NAMES if not any(f"`{name}`" in line for line in headings)] == []
