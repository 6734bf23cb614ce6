"""What becomes of each file when a template has something new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.project_templates import Change, Installed, Template, digest, is_taken, steps

PATH = ".abathur/agents/a.md"
CONTENTS = st.sampled_from([None, b"one", b"two", b"three"])


def template(new: bytes | None) -> Template:
    return Template(
        name="t",
        version="1",
        description="",
        source="t",
        ref=None,
        commit=None,
        files={} if new is None else {PATH: new},
    )


def change(base: bytes | None, current: bytes | None, new: bytes | None) -> Change | None:
    hashes = {} if base is None else {PATH: digest(base)}
    installed = Installed(name="t", version="0", source="t", ref=None, commit=None, hashes=hashes)
    found = steps(template(new), {} if current is None else {PATH: current}, installed)
    return found[0].change if found else None


@pytest.mark.parametrize(
    ("base", "current", "new", "told"),
    [
        (None, None, b"n", Change.ADD),
        (None, b"mine", b"n", Change.CONFLICT),
        (b"o", b"o", b"n", Change.UPDATE),
        (b"o", b"o", b"o", Change.SAME),
        (b"o", b"mine", b"o", Change.KEEP),
        (b"o", b"mine", b"n", Change.CONFLICT),
        (b"o", b"n", b"n", Change.SAME),
        (b"o", None, b"o", Change.KEEP),
        (b"o", None, b"n", Change.CONFLICT),
        (b"o", b"o", None, Change.REMOVE),
        (b"o", b"mine", None, Change.KEEP),
    ],
)
def test_three_states_decide(
    base: bytes | None, current: bytes | None, new: bytes | None, told: Change
) -> None:
    assert change(base, current, new) is told


@given(CONTENTS, CONTENTS, CONTENTS)
def test_what_a_person_wrote_is_never_overwritten(
    base: bytes | None, current: bytes | None, new: bytes | None
) -> None:
    found = change(base, current, new)
    if found is not None and found.writes and current is not None:
        assert current == base


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        (".claude/agents/abathur/planner.md", True),
        (".claude/agents/planner.yaml", True),
        (".claude/skills/git/SKILL.md", True),
        (".claude/skills/git/run.sh", True),
        (".abathur/agents/plan.schema.json", True),
        (".abathur/templates/rules.md.j2", True),
        (".claude/agents/run.sh", False),
        (".claude/settings.json", False),
        (".mcp.json", False),
        (".abathur/config.yaml", False),
        (".abathur/local.yaml", False),
        (".abathur/agents/../config.md", False),
        (".abathur/agents/../../x.md", False),
        ("/etc/x.md", False),
        (".git/hooks/x.md", False),
        (".abathur/agents/-x.md", False),
        (".abathur/agents/a\nb.md", False),
        (".abathur/agents/.git/x.md", False),
    ],
)
def test_a_template_brings_only_what_it_may(path: str, taken: bool) -> None:
    assert is_taken(path) is taken
