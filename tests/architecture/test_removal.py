"""Branches and worktrees go in one way only: by proof that their work is kept."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "abathur"

ALLOWED = {
    "remove_worktree": {"swarm/workspace.py:remove"},
    "delete_branch": {"swarm/workspace.py:_delete_branch"},
    "drop_salvage": {"swarm/cleaning.py:_is_removed"},
    "drop_seal": {"swarm/cleaning.py:_is_removed"},
    "drop_transcripts": {"swarm/cleaning.py:_is_removed", "chaos/tight_disk.py:drop_transcripts"},
    # Worktrees that only a gate ran in.
    "remove_detached_worktree": {
        "swarm/gates.py:_once",
        "swarm/caretaker.py:_tidy_verification",
    },
    # After the checks of `remove_worktree`; what git had only begun to make; a gate's.
    "remove_folder": {
        "infrastructure/git/worktrees.py:_discard",
        "infrastructure/git/worktrees.py:_clear_the_way",
        "infrastructure/git/scratch.py:_discard_scratch",
    },
    # Those of the database forget rows, and that of trust a person's word.
    "forget": {
        "infrastructure/database/engines/postgres_session.py:_note",
        "infrastructure/database/engines/sqlite_commit.py:_apart",
        "infrastructure/database/engines/sqlite_session.py:begin",
        "infrastructure/database/engines/sqlite_session.py:write_put_off",
        "safeguards.py:distrust",
        "infrastructure/git/worktrees.py:_discard",
        "infrastructure/git/worktrees.py:_clear_the_way",
        "infrastructure/git/scratch.py:_discard_scratch",
    },
    # What git doesn't see: a record that was begun, or is forgotten.
    "discard_unseen": {
        "infrastructure/git/worktrees.py:_discard",
        "infrastructure/git/worktrees.py:_clear_the_way",
        "infrastructure/git/scratch.py:_discard_scratch",
        "infrastructure/git/unseen_records.py:forget",
    },
    "_discard": {"infrastructure/git/worktrees.py:remove_worktree"},
    "_discard_scratch": {"infrastructure/git/scratch.py:remove_detached_worktree"},
    # The own repositories of the demo and of the chaos harness, what a scripted agent does in its
    # worktree, and the private folder of a run, in which there is no work.
    "rmtree": {
        "infrastructure/git/worktrees.py:remove_folder",
        "infrastructure/git/unseen_records.py:discard_unseen",
        "infrastructure/runtimes/fake_agent.py:delete",
        "cli/demo.py:demo",
        "cli/demo_project/__init__.py:tidy",
        "cli/chaos.py:chaos",
        "chaos/campaign.py:_play",
        "chaos/programs.py:forget_restored",
        "swarm/worker.py:_execute",
        # What agents' programs remember of sessions.
        "swarm/continuing.py:forget_session",
        # Transcripts of completed tasks.
        "infrastructure/disk.py:drop",
    },
}
"""Who may name what takes something away."""


HARNESS = SOURCE / "chaos" / "programs.py"
"""Git in the throw-away repositories of the chaos harness."""


def test_nothing_is_removed_but_where_it_is_proven_to_be_kept() -> None:
    found = {(name, place) for name, place in mentions() if place not in ALLOWED[name]}
    assert not found, f"Use `workspace.remove` or `workspace.give_up` instead: {sorted(found)}"


def test_the_list_has_nobody_who_is_gone() -> None:
    used = set(mentions())
    listed = {(name, place) for name, places in ALLOWED.items() for place in places}
    assert listed == used


def test_git_is_asked_to_delete_refs_in_one_place_only() -> None:
    words = {"update-ref": "-d", "branch": "-D", "worktree": "remove"}
    for path in SOURCE.rglob("*.py"):
        if path == HARNESS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                given = [one.value for one in node.args if isinstance(one, ast.Constant)]
                for word, option in words.items():
                    assert not {word, option} <= set(map(str, given)), f"{path}:{node.lineno}"
    deleting = [path.name for path in SOURCE.rglob("*.py") if "delete {ref}" in path.read_text()]
    assert deleting == ["refs.py"]


def mentions() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        place = path.relative_to(SOURCE).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    name = getattr(node, "attr", None) or getattr(node, "id", None)
                    if name in ALLOWED:
                        yield name, f"{place}:{function.name}"
