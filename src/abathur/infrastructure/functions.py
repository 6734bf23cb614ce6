"""Functions of the project's own configuration, each run in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

PROGRAM: Final = Path(__file__).with_name("function_program.py")


def function_argv(file: Path, name: str) -> tuple[str, ...]:
    """How to call the function `name` of a Python file; it prints what is returned, as JSON."""
    return (sys.executable, "-I", "-S", str(PROGRAM), str(file), name)
