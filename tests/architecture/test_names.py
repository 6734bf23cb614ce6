"""Names that hide what a module is for, and calls that have one home."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "abathur"

VAGUE = {"common", "helpers", "manager", "models", "utils"}
PRINTS = {SOURCE / "cli" / "output.py", SOURCE / "chaos" / "victim.py"}


def test_modules_are_named_after_what_they_hold() -> None:
    vague = [
        str(path.relative_to(ROOT))
        for path in python_files(SOURCE)
        if VAGUE & {path.stem, path.parent.name}
    ]
    assert not vague, f"Name these after their subject: {vague}"


def test_only_the_output_module_prints() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, node in calls()
        if path not in PRINTS and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not found, f"Write to stdout through cli/output.py: {found}"


def test_nobody_takes_the_connection_out_of_the_database() -> None:
    name = "_get_" + "connection"
    found = [
        str(path.relative_to(ROOT))
        for path in python_files(SOURCE, ROOT / "tests")
        if name in path.read_text(encoding="utf-8")
    ]
    assert not found, f"Use a transaction or `Database.query` instead of `{name}`: {found}"


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in python_files(SOURCE):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path, node
