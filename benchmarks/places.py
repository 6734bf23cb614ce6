"""Where benchmarks run: a folder, home and git identity of their own, on a real disk."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

GIT_CONFIG: Final = (
    "[gc]\n  auto = 0\n[init]\n  defaultBranch = main\n[maintenance]\n  auto = false\n"
)


@contextmanager
def sandbox() -> Iterator[Path]:
    """An empty folder; the person's own settings are out of sight meanwhile."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="abathur-bench-") as name:
        folder = Path(name)
        for variable in [v for v in os.environ if v.startswith(("ABATHUR_", "GIT_"))]:
            del os.environ[variable]
        os.environ.update(_environment(folder))
        try:
            yield folder
        finally:
            os.environ.clear()
            os.environ.update(before)


def _environment(folder: Path) -> dict[str, str]:
    config = folder / "gitconfig"
    config.write_text(GIT_CONFIG)
    people = {
        f"GIT_{role}_{part}": f"bench{'@localhost' if part == 'EMAIL' else ''}"
        for role in ("AUTHOR", "COMMITTER")
        for part in ("NAME", "EMAIL")
    }
    return {
        **people,
        "HOME": str(folder),
        "ABATHUR_TRUST": str(folder),
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def git(folder: Path, *args: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["git", *args], cwd=folder, input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


def make_repository(folder: Path, files: int = 20) -> Path:
    """A repository with one commit of some files on `main`."""
    folder.mkdir()
    for number in range(files):
        (folder / f"given-{number}.txt").write_text(f"{number}\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Start")
    return folder


def make_project(folder: Path, settings: Mapping[str, Any]) -> Path:
    """A repository with a queue's folder in it, whose settings these are."""
    root = make_repository(folder)
    ours = root / ".abathur"
    ours.mkdir()
    (ours / ".gitignore").write_text("*\n")
    allowed = {"targets": {"main": {"allow": True}}}
    (ours / "config.yaml").write_text(json.dumps({**allowed, **settings}))  # JSON is YAML
    return root
