"""The built wheel, installed into an empty environment, is the whole program."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def uv() -> str:
    """The uv that `python3 dev` uses."""
    ours = sorted((ROOT / ".tools").glob("uv-*"))
    found = str(ours[-1]) if ours else shutil.which("uv")
    assert found, "uv is missing; run `python3 dev test` once"
    return found


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"UV_SYSTEM_CERTS": "1", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_wheel_in_an_empty_environment_plays_the_demo(tmp_path: Path) -> None:
    # The tests' home is empty; what uv fetched before lies in the cache of the real one.
    cache = os.environ.get("UV_CACHE_DIR") or str(Path("~/.cache/uv").expanduser())
    run(uv(), "build", "--wheel", "--out-dir", tmp_path, "--python", sys.executable, cwd=ROOT)
    (wheel,) = tmp_path.glob("abathur-*.whl")
    empty = tmp_path / "empty"
    run(uv(), "venv", "--quiet", "--python", sys.executable, empty, cwd=tmp_path)
    python = empty / "bin" / "python"
    run(
        uv(), "pip", "install", "--quiet", "--python", python, wheel,
        cwd=tmp_path, UV_CACHE_DIR=cache,
    )  # fmt: skip
    said = run(
        empty / "bin" / "abathur", "demo", "--path", tmp_path / "demo", "--json", cwd=tmp_path
    )
    assert json.loads(said)["problems"] == []
