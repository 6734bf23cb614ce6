"""`abathur mem`, `docs` and `session`, as a person has them."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from abathur.bootstrap import load_project, make_project_files
from abathur.cli.docs.rounds import Rounds
from abathur.cli.mem import moving
from abathur.domain.documents import GIVEN, NewDocument
from abathur.infrastructure.database import Database
from abathur.infrastructure.document_files import stamp
from abathur.services import documents
from tests.cli.conftest import Abathur, configure


def indexed(abathur: Abathur) -> list[str]:
    return [one["file_path"] for one in abathur("docs", "list", "--json").json]


def test_a_memory_is_written_changed_found_and_brought_back(abathur: Abathur) -> None:
    abathur.ok("mem", "add", "project:build", "flags", "use gcc")
    abathur.ok(
        "mem", "add", "project:build", "flags", "use clang", "--replace", "--if-version", "1"
    )
    assert abathur.ok("mem", "get", "project:build", "flags") == "use clang"
    found = abathur.ok("mem", "search", "clang")
    assert "project:build flags" in found
    assert "words clang" in found
    abathur.ok("mem", "forget", "project:build", "flags")
    gone = abathur("mem", "get", "project:build", "flags")
    assert gone.code == 3
    assert "abathur mem history" in gone.line
    abathur.ok("mem", "restore", "project:build", "flags", "--version", "1")
    assert abathur.ok("mem", "get", "project:build", "flags") == "use gcc"


def test_a_value_is_taken_from_standard_input_or_from_json(abathur: Abathur) -> None:
    abathur.ok("mem", "add", "n", "text", "-", stdin=b"two\nlines")
    abathur.ok("mem", "add", "n", "json", "--value", '{"a": [1, 2]}')
    assert abathur.ok("mem", "get", "n", "text") == "two\nlines"
    assert abathur("mem", "get", "n", "json", "--json").json["value"] == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("args", "code", "part"),
    [
        (("add", "n", "k"), 2, "either a TEXT or --value"),
        (("add", "n", "k", "--value", "{"), 2, "isn't JSON"),
        (("add", "n::m", "k", "x"), 2, "isn't a namespace"),
        (("add", "n", "there", "x"), 4, "--replace"),
        (("add", "n", "there", "x", "--replace", "--if-version", "7"), 4, "version 1, not 7"),
        (("restore", "n", "there"), 4, "neither deleted nor expired"),
        (("forget", "n", "nothing"), 3, "no memory"),
        (("embed",), 2, "memory.embedder"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    abathur: Abathur, args: tuple[str, ...], code: int, part: str
) -> None:
    abathur.ok("mem", "add", "n", "there", "x")
    refused = abathur("mem", *args)
    assert refused.code == code
    assert part in refused.line


def test_what_a_memory_holds_steers_no_terminal(abathur: Abathur) -> None:
    abathur.ok("mem", "add", "n", "k", "red \x1b[31m alert")
    for shown in (("get", "n", "k"), ("list",), ("search", "alert"), ("history", "n", "k")):
        assert "\x1b" not in abathur.ok("mem", *shown)


def test_an_export_is_read_again_and_a_broken_line_adds_nothing(
    abathur: Abathur, tmp_path: Path
) -> None:
    abathur.ok("mem", "add", "n", "a", "one")
    abathur.ok("mem", "add", "n", "b", "two")
    lines = abathur.ok("mem", "export")
    abathur.ok("mem", "add", "n", "a", "other", "--replace")
    abathur.ok("mem", "forget", "n", "b")
    done = abathur("mem", "import", "--json", stdin=lines.encode())
    assert done.json == {"added": 1, "updated": 0, "unchanged": 0, "skipped": 1, "expired": 0}
    done = abathur("mem", "import", "--replace", "--json", stdin=lines.encode())
    assert done.json == {"added": 0, "updated": 1, "unchanged": 1, "skipped": 0, "expired": 0}
    broken = f'{json.dumps({"namespace": "n", "key": "c", "value": 1})}\n{{"namespace": 1}}\n'
    refused = abathur("mem", "import", stdin=broken.encode())
    assert refused.code == 2
    assert "line 2" in refused.line
    assert abathur("mem", "get", "n", "c").code == 3


def test_a_new_version_takes_over_what_is_not_typed(abathur: Abathur) -> None:
    typed = ("--type", "procedural", "--importance", "0.9", "--metadata", '{"a": 1}')
    abathur.ok("mem", "add", "n", "k", "one", *typed)
    abathur.ok("mem", "add", "n", "k", "--value", "null", "--replace", "--keep", "2d")
    kept = abathur("mem", "get", "n", "k", "--json").json
    assert (kept["value"], kept["memory_type"], kept["importance"]) == (None, "procedural", 0.9)
    assert kept["metadata"] == {"a": 1}
    assert kept["expires_at"] is not None
    # An export says when it ends, and so does what is made of it.
    lines = abathur.ok("mem", "export")
    abathur.ok("mem", "forget", "n", "k")
    abathur.ok("mem", "import", stdin=lines.encode())
    again = abathur("mem", "get", "n", "k", "--json").json
    assert again["expires_at"] == kept["expires_at"]
    over = {**kept, "key": "over", "expires_at": "2001-01-01T00:00:00Z"}
    done = abathur("mem", "import", "--json", stdin=json.dumps(over).encode())
    assert done.json["expired"] == 1
    done = abathur("mem", "import", "--json", stdin=json.dumps({**kept, "importance": 0}).encode())
    assert done.json["skipped"] == 1


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"importance": "high"}, "importance"),
        ({"importance": 7}, "between 0 and 1"),
        ({"metadata": [1]}, "metadata is no dict"),
        ({"created_by": 5}, "created_by is no str"),
        ({"expires_at": "soon"}, "soon"),
        ({"namespace": "n::m"}, "isn't a namespace"),
    ],
)
def test_a_line_that_is_no_memory_is_told_and_nothing_is_added(
    abathur: Abathur, fields: dict[str, Any], part: str
) -> None:
    good = {"namespace": "n", "key": "good", "value": 1}
    lines = f"{json.dumps(good)}\n{json.dumps({**good, **fields})}\n"
    refused = abathur("mem", "import", stdin=lines.encode())
    assert refused.code == 2
    assert "line 2" in refused.line
    assert part in refused.line
    assert abathur("mem", "list", "--json").json == []


def test_an_import_that_ends_early_tells_what_is_written_and_goes_on_from_there(
    abathur: Abathur, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "BATCH", 2)
    rows = [{"namespace": "n", "key": str(number), "value": "x"} for number in range(5)]
    lines = "\n".join(map(json.dumps, rows)).encode()
    configure(abathur, memory={"quota": 3})
    refused = abathur("mem", "import", stdin=lines)
    assert refused.code == 2
    assert "2 added, 0 updated, 0 unchanged, 0 skipped, 0 expired before this" in refused.err
    assert "n holds 3 memories, which is its quota" in refused.err
    configure(abathur, memory={"quota": 5})
    done = abathur("mem", "import", "--json", stdin=lines).json
    assert (done["added"], done["unchanged"]) == (3, 2)
    assert len(abathur.ok("mem", "export").splitlines()) == 5


def test_pruning_asks_before_anything_goes(abathur: Abathur) -> None:
    abathur.ok("mem", "add", "n", "k", "x")
    assert "n" in abathur.ok("mem", "prune", "--faded", "1", "--dry-run")
    refused = abathur("mem", "prune", "--faded", "1")
    assert refused.code == 4
    assert abathur.ok("mem", "get", "n", "k") == "x"
    abathur.ok("mem", "prune", "--faded", "1", "--yes")
    assert abathur("mem", "get", "n", "k").code == 3


def test_pruning_takes_all_that_it_showed(
    abathur: Abathur, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abathur.services.remembering.PRUNED_AT_ONCE", 2)
    lines = "".join(json.dumps({"namespace": "n", "key": str(n), "value": n}) for n in range(5))
    abathur.ok("mem", "import", stdin=lines.replace("}{", "}\n{").encode())
    abathur.ok("mem", "prune", "--faded", "1", "--yes")
    assert abathur("mem", "list", "--json").json == []


def test_a_server_in_a_cloned_configuration_needs_a_word_and_words_do_until_then(
    abathur: Abathur, monkeypatch: pytest.MonkeyPatch
) -> None:
    abathur.ok("mem", "add", "n", "k", "anything")
    configure(abathur, memory={"embedder": "ollama", "model": "m", "url": "http://127.0.0.1:9"})
    for why in ("can't be reached", "abathur trust"):
        found = abathur("mem", "search", "anything", "--json")
        assert why in found.err
        assert [hit["memory"]["key"] for hit in found.json] == ["k"]
        assert why in abathur("docs", "search", "anything").err
        monkeypatch.delenv("ABATHUR_TRUST", raising=False)
    refused = abathur("mem", "embed")
    assert refused.code == 4
    assert "abathur trust" in refused.line


def test_only_what_changed_is_indexed_and_what_is_gone_leaves(abathur: Abathur) -> None:
    docs = abathur.root / "docs"
    docs.mkdir()
    (docs / "guide.md").write_text("# Guide\n\n## Install\n\nUse sudo.\n")
    (docs / "old.txt").write_text("ancient\n")
    first = abathur("docs", "index", str(docs), "--json").json
    assert first["indexed"] == ["docs/guide.md", "docs/old.txt"]
    (docs / "old.txt").unlink()
    (docs / "guide.md").write_text("# Guide\n\n## Install\n\nUse doas.\n")
    second = abathur("docs", "index", str(docs), "--json").json
    assert (second["indexed"], second["removed"]) == (["docs/guide.md"], ["docs/old.txt"])
    third = abathur("docs", "index", str(docs), "--json").json
    assert (third["indexed"], third["unchanged"]) == ([], 1)
    assert abathur("docs", "search", "sudo", "--json").json == []
    (hit,) = abathur("docs", "search", "doas", "--json").json
    assert (hit["file_path"], hit["heading"]) == ("docs/guide.md", "Guide > Install")
    assert (hit["first_line"], hit["last_line"]) == (3, 5)
    (docs / "guide.md").rename(docs / "manual.md")
    gone = abathur("docs", "index", str(docs / "guide.md"), "--json").json
    assert gone["removed"] == ["docs/guide.md"]
    slip = abathur("docs", "index", str(docs / "guide.md"))
    assert slip.code == 3
    assert "nor is anything indexed of it" in slip.err
    abathur.ok("docs", "index", str(docs))

    abathur.ok("docs", "remove", "docs")
    assert indexed(abathur) == []


def test_what_git_ignores_and_what_leads_elsewhere_is_left_out(
    abathur: Abathur, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("sesame\n")
    (abathur.root / ".gitignore").write_text("hidden/\n")
    (abathur.root / "hidden").mkdir()
    (abathur.root / "hidden" / "a.md").write_text("sesame\n")
    (abathur.root / "link.md").symlink_to(secret)
    (abathur.root / "-n.md").write_text("plain\n")
    (abathur.root / "data.bin").write_bytes(b"\xff\0\1")
    abathur.ok("docs", "index", str(abathur.root))
    assert "-n.md" in indexed(abathur)
    assert {"link.md", "hidden/a.md", "data.bin"} & {*indexed(abathur)} == set()
    assert abathur("docs", "search", "sesame", "--json").json == []
    refused = abathur("docs", "index", str(tmp_path))
    assert refused.code == 2
    assert "isn't inside the project" in refused.line


def test_why_a_file_is_left_out_is_told_and_what_git_ignores_is_indexed_on_request(
    abathur: Abathur, tmp_path: Path
) -> None:
    root = abathur.root
    (root / ".gitignore").write_text("\n*.log\nbuild/\n")
    (root / "build").mkdir()
    for name in ("a.log", "b.md", "build/c.md"):
        (root / name).write_text("sesame\n")
    (root / "away.md").symlink_to(tmp_path)
    (root / "link.md").symlink_to("b.md")
    (root / "empty").mkdir()
    os.mkfifo(root / "pipe")
    asked = ("a.log", "build/c.md", "away.md", "empty", "pipe", ".git")
    done = abathur("docs", "index", *(str(root / name) for name in asked), "--json").json
    assert done["indexed"] == []
    assert {one["file_path"]: one["reason"] for one in done["skipped"]} == {
        "a.log": "`*.log` in .gitignore:2 ignores it; `--ignored` indexes it all the same",
        "build/c.md": "`build/` in .gitignore:3 ignores it; `--ignored` indexes it all the same",
        "away.md": "it leads out of the project",
        "empty": "no file is in it, or git ignores them all; `--ignored` indexes those",
        "pipe": "no regular file",
        ".git": "what Abathur and git keep for themselves is never indexed",
    }
    assert "link.md: a symbolic link; index what it leads to" in abathur("docs", "index").err

    abathur.ok("docs", "index", "--ignored", str(root / "a.log"), str(root / "build"))
    (root / "a.log").write_text("open\n")
    (root / "build" / "c.md").unlink()
    again = abathur("docs", "index", "--json").json
    assert (again["indexed"], again["removed"]) == (["a.log"], ["build/c.md"])
    abathur.ok("docs", "remove", "a.log")
    assert abathur("docs", "index", "--json").json["indexed"] == []


def test_a_document_stays_in_its_namespace_until_another_is_named(abathur: Abathur) -> None:
    file = abathur.root / "a.md"
    file.write_text("one\n")
    abathur.ok("docs", "index", str(file), "-n", "docs:api")
    file.write_text("two\n")
    abathur.ok("docs", "index")
    (found,) = abathur("docs", "list", "-n", "docs:api", "--json").json
    assert found["file_path"] == "a.md"
    abathur.ok("docs", "index", str(file), "-n", "")
    assert abathur("docs", "list", "-n", "docs:api", "--json").json == []


async def test_a_file_is_read_again_only_once_it_may_have_changed(git_repo: Path) -> None:
    make_project_files(git_repo, "main")
    project = load_project(git_repo)
    old, new = git_repo / "old.md", git_repo / "new.md"
    given = NewDocument(
        file_path="told.md",
        title="Told",
        document_type="markdown",
        content_hash="0",
        chunks=(),
        metadata={GIVEN: True},
    )
    async with Database(project.file) as db:
        now = db.clock().now()
        await db.write(documents.index, given, actor="mcp:ada", now=now)
        rounds = Rounds(db=db, root=git_repo, places=[git_repo], namespace=None, with_ignored=False)
        old.write_text("x\n")
        assert (await rounds.once()).indexed[-1] == "old.md"
        assert not (await rounds.once()).is_news
        old.rename(new)
        new.write_text("y\n")
        done = await rounds.once()
        assert (done.indexed, done.removed) == (["new.md"], ["old.md"])
        await db.write(documents.remove, "new.md", actor="cli:ada", now=now)
        assert (await rounds.once()).indexed == ["new.md"]
        assert await db.read(lambda stores: stores.documents.get("told.md"))


def test_a_stamp_tells_a_changed_file_from_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("one")
    now = file.stat().st_ctime_ns
    assert stamp(tmp_path, "a.md", now) is None  # it may change within the same tick
    later = now + 3_000_000_000
    first = stamp(tmp_path, "a.md", later)
    assert first == stamp(tmp_path, "a.md", later) is not None
    file.write_text("another")
    assert stamp(tmp_path, "a.md", later) != first
    assert stamp(tmp_path, "gone", later) is None


def test_what_changes_is_indexed_until_somebody_ends_that(abathur: Abathur) -> None:
    docs = abathur.root / "docs"
    docs.mkdir()
    (docs / "guide.md").write_text("# Guide\n")
    pipes: dict[str, Any] = {"stdout": -1, "stderr": -1}
    with abathur.popen("docs", "index", str(docs), "--watch", "--json", **pipes) as watching:
        assert watching.stderr is not None
        assert b"Ctrl-C ends it" in watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        said, talk = watching.communicate(timeout=60)
    assert watching.returncode == 0
    assert talk == b"no longer watching; `abathur docs list` shows what is indexed\n"
    assert json.loads(said)["indexed"] == ["docs/guide.md"]
