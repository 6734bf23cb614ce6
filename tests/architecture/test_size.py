"""No file, function or class outgrows a reader. There is no list of exceptions, on purpose.

What is over a limit is split, or the limit is changed with a decision record.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "abathur"

SOURCE_LINES = 500
SQL_LINES = 600
TEST_LINES = 800
FUNCTION_LINES = 60
PUBLIC_METHODS = 15

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_source_files_are_short() -> None:
    report(longer_than(SOURCE_LINES, SOURCE.rglob("*.py")))


def test_sql_files_are_short() -> None:
    report(longer_than(SQL_LINES, SOURCE.rglob("*.sql")))


def test_test_files_are_short() -> None:
    report(longer_than(TEST_LINES, (ROOT / "tests").rglob("*.py")))


def test_functions_are_short() -> None:
    report(
        f"{place(path, node)} {node.name}: {length} lines without docstring, "
        f"at most {FUNCTION_LINES} allowed"
        for path, node in definitions()
        if isinstance(node, Function) and (length := body_lines(node)) > FUNCTION_LINES
    )


def test_classes_have_few_public_methods() -> None:
    report(
        f"{place(path, node)} {node.name}: {count} public methods, at most {PUBLIC_METHODS} allowed"
        for path, node in definitions()
        if isinstance(node, ast.ClassDef) and (count := public_methods(node)) > PUBLIC_METHODS
    )


def report(offences: Iterable[str]) -> None:
    found = sorted(offences)
    assert not found, "Too big; split it:\n" + "\n".join(found)


def longer_than(limit: int, paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > limit:
            yield f"{path.relative_to(ROOT)}: {count} lines, at most {limit} allowed"


def definitions() -> Iterator[tuple[Path, ast.AST]]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield path, node


def place(path: Path, node: ast.stmt) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def body_lines(function: Function) -> int:
    """Lines from `def` to the end, less those of the docstring."""
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        length -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return length


def public_methods(owner: ast.ClassDef) -> int:
    return sum(isinstance(node, Function) and not node.name.startswith("_") for node in owner.body)
