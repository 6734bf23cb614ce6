"""Calls one function of a Python file. Standard library only; started by its path, not imported.

Arguments: the file, the function. It is called with a mapping of what `ABATHUR_FACTS` names, in the
worktree as the current folder. What it returns is printed as one line of JSON: a mapping as it is,
a bool as `converged`, a number as `score`. What it prints itself goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any


def shown(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"converged": value}
    if isinstance(value, int | float):
        return {"score": value}
    if isinstance(value, dict):
        return value
    raise SystemExit(f"it returned {type(value).__name__}, not a number, bool or dict")


def main(file: str, name: str) -> None:
    facts = Path(os.environ["ABATHUR_FACTS"]).read_text(encoding="utf-8")
    with contextlib.redirect_stdout(sys.stderr):
        found = runpy.run_path(file).get(name)
        if not callable(found):
            raise SystemExit(f"{file} has no function {name}")
        value = shown(found(json.loads(facts)))
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
