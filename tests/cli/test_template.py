"""Templates of projects, from where people have them."""

import json
import subprocess
from pathlib import Path

import pytest

from abathur import safeguards
from tests.cli.conftest import Abathur

AGENT = "---\nname: planner\ndescription: plans\nmodel: thinking\n---\nYou plan, version {}.\n"


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def older(tmp_path: Path, abathur: Abathur) -> Path:
    """A template repository as the older version has them, with more than it may bring."""
    folder = tmp_path / "older-template.git"
    agents = folder / ".claude" / "agents" / "abathur"
    agents.mkdir(parents=True)
    (agents / "planner.md").write_text(AGENT.format(1))
    (agents / "cook.md").write_text(AGENT.replace("planner", "cook").format(1))
    skill = folder / ".claude" / "skills" / "git-worktree"
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text("---\nname: git-worktree\n---\nUse it.\n")
    (folder / ".claude" / "settings.json").write_text('{"hooks": {"Stop": []}}')
    (folder / ".mcp.json").write_text('{"mcpServers": {}}')
    (folder / ".claude" / "agents" / "link.md").symlink_to("/etc/passwd")
    (folder / "README.md").write_text("read me")
    git(folder, "init", "-q")
    commit(folder, "one")
    git(folder, "tag", "v1")
    return folder


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", message)


def definition(abathur: Abathur, name: str = "planner") -> Path:
    return abathur.root / ".claude" / "agents" / "abathur" / f"{name}.md"


def changes(abathur: Abathur, *args: str) -> dict[str, str]:
    steps = abathur("template", *args, "--json").json["steps"]
    return {Path(step["path"]).name: step["change"] for step in steps}


def test_the_built_in_template_is_whole_and_asks_nobody(abathur: Abathur) -> None:
    abathur.ok("init", "--template", "software")
    assert abathur.ok("agent", "check") == "nothing is wrong"
    names = {one["name"] for one in abathur("agent", "list", "--json").json}
    assert names == {
        "code-reviewer",
        "conflict-resolver",
        "documentation-writer",
        "implementer",
        "requirements-gatherer",
        "task-planner",
        "technical-architect",
        "test-engineer",
    }
    found = safeguards.find_trust(abathur.root, {}).found
    assert not [one for one in found if "agents" in one.path]
    implementer = abathur.root / ".abathur" / "agents" / "implementer.md"
    implementer.write_text(implementer.read_text() + "Delete everything.\n")
    found = safeguards.find_trust(abathur.root, {}).found
    assert [one.path for one in found if "agents" in one.path] == [".abathur/agents/implementer.md"]


def test_an_older_template_repository_is_taken_over_by_url_and_tag(
    abathur: Abathur, older: Path
) -> None:
    (definition(abathur).parent).mkdir(parents=True)
    definition(abathur).write_text(AGENT.format(2))
    definition(abathur).unlink()
    git(older, "rm", "-q", ".claude/agents/abathur/cook.md")
    commit(older, "two")
    told = abathur.ok("init", "--template", f"file://{older}@v1")
    assert "made .claude/agents/abathur/planner.md" in told
    for path in (".claude/settings.json", ".mcp.json", ".claude/agents/link.md"):
        assert f"{path} of the template was left out" in told
        assert not (abathur.root / path).exists()
    assert definition(abathur).read_text() == AGENT.format(1)
    assert definition(abathur, "cook").exists()
    assert (abathur.root / ".claude" / "skills" / "git-worktree" / "SKILL.md").exists()
    record = json.loads((abathur.root / ".abathur" / "template.json").read_text())
    assert (record["name"], record["ref"]) == ("older-template", "v1")
    assert record["commit"] == git(older, "rev-parse", "v1")


def test_what_a_template_brings_asks_for_trust(abathur: Abathur, older: Path) -> None:
    abathur.ok("init", "--template", str(older))
    asked = [one.path for one in safeguards.find_trust(abathur.root, {}).asked]
    assert ".claude/agents/abathur/planner.md" in asked
    assert ".claude/skills/git-worktree/SKILL.md" in asked


def test_an_update_keeps_what_was_changed_and_shows_the_difference(
    abathur: Abathur, older: Path
) -> None:
    abathur.ok("init", "--template", f"file://{older}")
    definition(abathur).write_text(AGENT.format("mine"))
    for name in ("planner", "cook"):
        file = older / ".claude" / "agents" / "abathur" / f"{name}.md"
        file.write_text(AGENT.replace("planner", name).format(2))
    (file.parent / "baker.md").write_text(AGENT.replace("planner", "baker").format(2))
    commit(older, "two")
    expected = {
        "planner.md": "conflict",
        "cook.md": "update",
        "baker.md": "add",
        "SKILL.md": "same",
    }
    assert changes(abathur, "status") == expected
    shown = abathur.ok("template", "status", "--diff")
    assert "You plan, version mine." in shown
    assert "+You plan, version 2." in shown
    assert changes(abathur, "update") == expected
    assert definition(abathur).read_text() == AGENT.format("mine")
    assert definition(abathur, "cook").read_text().endswith("version 2.\n")
    assert definition(abathur, "baker").exists()
    assert changes(abathur, "update")["planner.md"] == "keep"
    path = ".claude/agents/abathur/planner.md"
    abathur.ok("template", "update", "--take", path)
    assert definition(abathur).read_text() == AGENT.format(2)
    assert changes(abathur, "update") == dict.fromkeys(expected, "same")


def test_init_once_more_changes_nothing_and_names_the_update(abathur: Abathur, older: Path) -> None:
    abathur.ok("init", "--template", f"file://{older}")
    assert "is here already" in abathur.ok("init", "--template", f"file://{older}")
    definition(abathur).write_text(AGENT.format("mine"))
    record = (abathur.root / ".abathur" / "template.json").read_bytes()
    (older / ".claude" / "agents" / "abathur" / "cook.md").unlink()
    planner = older / ".claude" / "agents" / "abathur" / "planner.md"
    planner.write_text(AGENT.format(2))
    commit(older, "two")
    git(older, "tag", "v2")
    told = abathur.ok("init", "--template", f"file://{older}@v2")
    assert "nothing was changed" in told
    assert "`abathur template update v2` takes over what" in told
    assert definition(abathur, "cook").exists()
    assert (abathur.root / ".abathur" / "template.json").read_bytes() == record
    abathur.ok("template", "update", "v2")
    assert not definition(abathur, "cook").exists()


def test_what_git_says_of_a_template_is_told_in_our_words(abathur: Abathur, older: Path) -> None:
    told = abathur("init", "--template", f"file://{older}@v9").line
    assert told == (
        f"abathur: there is no branch or tag `v9` in file://{older}; "
        "`git ls-remote` shows what is there"
    )
    told = abathur("init", "--template", "file:///no/such/place.git").line
    assert "can't be fetched from file:///no/such/place.git: '/no/such/place.git' does not" in told


LINES = [f"Line {number}." for number in range(1, 9)]


def lines(**changed: str) -> str:
    """The definition with some of its lines in other words."""
    body = [changed.get(f"line{number}", line) for number, line in enumerate(LINES, 1)]
    return AGENT.format(1) + "".join(f"{line}\n" for line in body)


def test_changes_of_other_lines_are_merged_and_of_the_same_lines_shown(
    abathur: Abathur, older: Path
) -> None:
    file = older / ".claude" / "agents" / "abathur" / "planner.md"
    file.write_text(lines())
    commit(older, "long")
    abathur.ok("init", "--template", f"file://{older}")
    definition(abathur).write_text(lines(line1="Mine."))
    file.write_text(lines(line8="Theirs."))
    commit(older, "two")
    assert changes(abathur, "status")["planner.md"] == "merge"
    assert definition(abathur).read_text() == lines(line1="Mine.")
    assert "changed on both sides, both taken" in abathur.ok("template", "update")
    assert definition(abathur).read_text() == lines(line1="Mine.", line8="Theirs.")
    assert changes(abathur, "update")["planner.md"] == "keep"

    file.write_text(lines(line1="Not so.", line8="Theirs."))
    commit(older, "three")
    assert changes(abathur, "update", "--dry-run")["planner.md"] == "conflict"
    shown = abathur.ok("template", "status", "--diff")
    assert "+<<<<<<< yours" in shown
    assert "+Not so." in shown
    assert changes(abathur, "update")["planner.md"] == "conflict"
    assert definition(abathur).read_text() == lines(line1="Mine.", line8="Theirs.")
    abathur.ok("template", "update", "--take", ".claude/agents/abathur/planner.md")
    assert definition(abathur).read_text() == lines(line1="Not so.", line8="Theirs.")


def test_what_was_there_before_the_template_stays(abathur: Abathur, older: Path) -> None:
    definition(abathur).parent.mkdir(parents=True)
    definition(abathur).write_text("mine\n")
    told = abathur.ok("init", "--template", str(older))
    assert ".claude/agents/abathur/planner.md was there already and stayed as it is" in told
    assert definition(abathur).read_text() == "mine\n"


def test_nothing_is_written_through_a_link(abathur: Abathur, older: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (abathur.root / ".claude").symlink_to(outside)
    refused = abathur("init", "--template", str(older))
    assert refused.code == 4
    assert "is a link, or lies below one" in refused.line
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ("--upload-pack=touch /tmp/x", 3),
        ("ext::sh -c touch% x", 3),
        ("https://example.invalid/x.git@--output=x", 2),
        ("https://example.invalid/x.git@a..b", 2),
        ("ssh://-oProxyCommand=touch/x", 5),
        ("no-such-template", 3),
        ("../nowhere", 3),
    ],
)
def test_a_strange_source_is_refused_and_runs_nothing(
    abathur: Abathur, tmp_path: Path, named: str, code: int
) -> None:
    before = sorted(tmp_path.rglob("*x"))
    refused = abathur("init", f"--template={named}")
    assert refused.code == code, refused
    assert len(refused.err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*x")) == before


def test_hooks_and_filters_of_a_template_never_run(
    abathur: Abathur, older: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    for hook in ("post-checkout", "upload-pack", "post-update", "pre-receive"):
        file = older / ".git" / "hooks" / hook
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\ntouch {mark}\n")
        file.chmod(0o755)
    (older / ".gitattributes").write_text("* filter=evil\n")
    (older / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = ext::touch x\n')
    commit(older, "two")
    abathur.ok("init", "--template", f"file://{older}")
    assert definition(abathur).exists()
    assert not mark.exists()


def test_a_project_has_one_template(abathur: Abathur, older: Path) -> None:
    assert abathur("template", "status").code == 3
    abathur.ok("init", "--template", "software")
    refused = abathur("init", "--template", str(older))
    assert refused.code == 4
    assert "has the template `software`" in refused.line


def test_a_token_in_a_url_is_not_kept() -> None:
    from abathur.infrastructure.project_templates.sources import _public, divided

    assert _public("https://me:token@example.org/a.git") == "https://example.org/a.git"
    assert divided("git@example.org:a/b.git") == ("git@example.org:a/b.git", None)
    assert divided("git@example.org:a/b.git@v1") == ("git@example.org:a/b.git", "v1")
    assert divided("https://me@example.org/a") == ("https://me@example.org/a", None)
