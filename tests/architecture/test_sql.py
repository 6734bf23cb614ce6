"""Every statement in the .sql files is called by its name, and every name that is called is there.

Names are written out where they are called, or made of a prefix and a word of a known list.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from abathur.domain.problems import FIXABLE, OF_A_MEMORY, OF_A_ROW
from abathur.infrastructure.database import queries
from abathur.infrastructure.database.engines.postgres_statements import LOCKED, MANY
from abathur.infrastructure.database.stores.upkeep import PREFIX, PRUNED
from abathur.services.fixing_memories import MEMORY

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "abathur" / "infrastructure" / "database"

ENGINES = ("sqlite", "postgres")
CALLS = {
    **dict.fromkeys(("execute", "execute_many", "fetch", "fetch_one", "save", "send"), (0,)),
    "foresee": (0, 1),
    "_rows": (1,),
    "Plain": (1,),
}
"""What is called with names, and as which of its arguments."""
TABLE = re.compile(r"'(\w+)' AS tbl")
NAME = re.compile(r"[a-z][a-z0-9_]+")
MADE = {
    "fix_": {f"fix_{code}" for code in (OF_A_ROW | OF_A_MEMORY) - {"passage_words", MEMORY}},
    "prune_": {f"prune_{table}" for table in PRUNED},
    "row_of_": {f"row_of_{table}" for table in PRUNED},
}
OF_SQLITE = {"passage_words", "time_in_tasks", "json_in_tasks"}
"""What can be wrong in a file alone: a server keeps its indexes itself."""
FOR_ENGINE = {"sqlite": ("legacy", "contents.py"), "postgres": ("pgvector.py", "contents.py")}
"""Below the folder, what only one engine has. The stores are for all."""


def texts(*places: str) -> set[str]:
    trees = (ast.walk(tree) for tree in parsed(*places))
    return {
        node.value
        for nodes in trees
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def called(*places: str) -> Iterator[str]:
    """The names, and the beginnings of those that are made."""
    for tree in parsed(*places):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                for place in CALLS.get(ast.unparse(node.func).rpartition(".")[2], ()):
                    yield from () if place >= len(node.args) else written(node.args[place])


def written(name: ast.expr) -> Iterator[str]:
    if isinstance(name, ast.JoinedStr):
        name = name.values[0]
    # Whoever has a bare connection calls with SQL instead.
    if isinstance(name, ast.Constant) and NAME.fullmatch(str(name.value)):
        yield str(name.value)


def parsed(*places: str) -> Iterator[ast.Module]:
    for place in places:
        path = SOURCE / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            yield ast.parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("engine", ENGINES)
def test_every_name_that_is_called_is_there(engine: str) -> None:
    names = queries.load(engine).keys()
    stated = set(called("stores", *FOR_ENGINE[engine]))
    assert len(stated) > 50
    wanted = (stated - MADE.keys()).union(*(MADE[one] for one in stated & MADE.keys()))
    assert sorted(wanted - names) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_every_statement_is_called(engine: str) -> None:
    used = texts("stores", *FOR_ENGINE[engine]).union(*MADE.values(), shown(engine))
    used |= {f"fix_{code}" for code in OF_SQLITE}
    unused = [
        name
        for name in queries.load(engine)
        if not name.startswith(PREFIX) and base(name) not in used
    ]
    assert sorted(unused) == []


def shown(engine: str) -> set[str]:
    """Of the tables in which something can be fixed."""
    statements = queries.load(engine)
    texts = [statements.get(f"{PREFIX}{code}", "") for code in FIXABLE]
    tables = {found[1] for text in texts if (found := TABLE.search(text))}
    return {f"row_of_{table}" for table in tables}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_fixed_can_be_shown(engine: str) -> None:
    assert sorted(shown(engine) - queries.load(engine).keys()) == []


def base(name: str) -> str:
    """Without the ending of one that takes another's place in some transactions."""
    return name.removesuffix(LOCKED).removesuffix(MANY)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_can_be_fixed_is_looked_for(engine: str) -> None:
    looked_for = {name.removeprefix(PREFIX) for name in queries.load(engine) if PREFIX in name}
    assert sorted(FIXABLE - looked_for - (OF_SQLITE if engine != "sqlite" else set())) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_statement_takes_what_the_one_in_whose_place_it_is_takes(engine: str) -> None:
    common = queries.read(queries.FOLDER / "common")
    own = queries.read(queries.FOLDER / engine)
    statements = common | own
    differing = [
        name
        for name, sql in own.items()
        if not name.endswith(MANY)
        and (other := common.get(name) or (base(name) != name and statements.get(base(name))))
        and set(queries.parameters(sql)) != set(queries.parameters(other))
    ]
    assert sorted(differing) == []
