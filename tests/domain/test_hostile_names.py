"""Names from outside: git's own opinion is asked about all of them."""

import subprocess
from datetime import UTC, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from abathur.domain.branches import branch_problem, task_branch

hostile = st.text(st.sampled_from("ab/.-@{}~^:?*[\\ \n\t\0é\u202e"), max_size=12) | st.text()


def git_takes(name: str) -> bool:
    if "\0" in name:
        return False
    asked: list[bytes] = [b"git", b"check-ref-format", f"refs/heads/{name}".encode()]
    return subprocess.run(asked, check=False).returncode == 0


@settings(max_examples=80)
@given(hostile)
@example("-x")
@example("--upload-pack=evil")
@example("../../etc/passwd")
@example("a.lock/b")
@example("a\nb")
def test_what_we_take_for_a_branch_git_does_too(name: str) -> None:
    if branch_problem(name) is None:
        assert git_takes(name)
        assert not name.startswith("-")


@settings(max_examples=60)
@given(hostile)
def test_whatever_the_summary_the_branch_is_harmless(summary: str) -> None:
    name = task_branch(summary, datetime(2030, 1, 1, tzinfo=UTC), ())
    assert branch_problem(name) is None
    assert git_takes(name)
