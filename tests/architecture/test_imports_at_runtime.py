"""What a command does not need, it does not load: start-up time is decided by imports.

The import contracts see which module imports which, but not whether a deferred import is
really deferred. So this looks into `sys.modules` of fresh interpreters.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset(
    {
        "hypothesis",
        "mcp",
        "psutil",
        "psycopg",
        "pydantic",
        "rich",
        "sqlite3",
        "starlette",
        "textual",
    }
)

IMPORT = """\
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""

COMMAND = """\
import json, sys
from abathur.cli.main import main
sys.argv[0] = "abathur"
code = 0
try:
    main()
except SystemExit as stop:
    code = stop.code
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
raise SystemExit(code)
"""


@pytest.mark.parametrize("module", ["abathur", "abathur.infrastructure.database"])
def test_importing_is_light(module: str, tmp_path: Path) -> None:
    assert not heavy_modules(IMPORT, module, folder=tmp_path)


def test_help_is_light(tmp_path: Path) -> None:
    assert not heavy_modules(COMMAND, "--help", folder=tmp_path)


def test_listing_tasks_as_json_is_light(git_repo: Path) -> None:
    python(COMMAND, "init", folder=git_repo)
    assert not heavy_modules(COMMAND, "task", "list", "--json", folder=git_repo)


def test_finding_memories_needs_nothing_of_a_swarm(git_repo: Path) -> None:
    python(COMMAND, "init", folder=git_repo)
    loaded = json.loads(python(COMMAND, "mem", "search", "x", folder=git_repo).splitlines()[-1])
    swarms = {"abathur.swarm.parts", "abathur.swarm.state", "abathur.infrastructure.runtimes"}
    assert not {"numpy", *swarms, *HEAVY} & set(loaded)


def heavy_modules(code: str, *args: str, folder: Path) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after running the code."""
    loaded: list[str] = json.loads(python(code, *args, folder=folder).splitlines()[-1])
    return {name.partition(".")[0] for name in loaded} & HEAVY


def python(code: str, *args: str, folder: Path) -> str:
    """Run the code with output that is no terminal; what it wrote to stderr."""
    result = subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{args} failed:\n{result.stdout}{result.stderr}"
    return result.stderr
