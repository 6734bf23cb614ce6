"""A dozen processes of every kind on one file for some seconds: nothing fails, nothing is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("reader", "shell", "visitor", "client")


@pytest.mark.timeout(240)
def test_a_fleet_on_one_file_loses_nothing() -> None:
    command = [sys.executable, "-m", "benchmarks.fleet", "--seconds", "6", "--processes", "12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f"| {kind} |" in done.stdout for kind in KINDS), done.stdout
