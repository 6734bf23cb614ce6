"""The page of findings lists what `abathur db check` can find, and tells truly what is fixed."""

import re
from pathlib import Path

from abathur.domain.problems import ADVICE, FIXABLE, Problem
from abathur.infrastructure.database import queries
from abathur.infrastructure.database.stores.upkeep import PREFIX

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "abathur"
LITERAL = re.compile(r'\bcode="(\w+)"')
WORD = re.compile(r"`([a-z_]+…?)`")
TELLS_ITSELF = {"file_damaged", "file_unreadable", "log_damaged"}
"""Damage of a file, whose advice isn't about a code word."""
PLACES = (
    "infrastructure/database/engines/sqlite_inspection.py",
    "infrastructure/database/engines/sqlite_log.py",
    "infrastructure/database/engines/postgres_inspection.py",
    "infrastructure/database/stores/upkeep.py",
    "cli/db/check.py",
)


def findings() -> set[str]:
    checks = {name for engine in ("sqlite", "postgres") for name in queries.load(engine)}
    named = {name.removeprefix(PREFIX) for name in checks if name.startswith(PREFIX)}
    texts = [(SOURCE / place).read_text(encoding="utf-8") for place in PLACES]
    return named.union(*(LITERAL.findall(text) for text in texts))


def listed(part: str) -> set[str]:
    """Code words in the first column."""
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    return {word for row in rows for word in WORD.findall(row.split("|")[1])}


def test_each_finding_is_listed_as_fixed_or_not() -> None:
    page = (ROOT / "docs" / "reference" / "findings.md").read_text(encoding="utf-8")
    fixed, _, left = page.partition("## Not fixed")
    assert listed(fixed) == FIXABLE
    summed = {re.sub(r"^((?:time|json)_in)_\w+", r"\1_…", one) for one in findings() - FIXABLE}
    assert listed(left) == summed


def test_each_finding_that_is_not_fixed_says_what_to_do() -> None:
    left = {code: Problem(code=code, text="") for code in findings() - FIXABLE}
    assert {code for code, one in left.items() if one.advice is None} == TELLS_ITSELF
    assert {one.advice for one in left.values()} - {None} == set(ADVICE.values())
    assert all(Problem(code=code, text="").advice is None for code in FIXABLE)
