import os
import pwd
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest

from abathur.cli.text import columns
from abathur.infrastructure.database.engines.sqlite import connect


def test_the_trail_of_one_task(abathur: Any, chain: Sequence[str]) -> None:
    abathur.ok("task", "cancel", chain[0], "--reason", "not needed")
    entries = abathur("audit", chain[0], "--json").json
    assert entries[0]["action_type"] == "task_submitted"
    assert entries[-1]["action_type"] == "task_cancelled"
    assert entries[-1]["action_data"]["error_message"] == "not needed"
    assert {entry["task_id"] for entry in entries} == {chain[0]}


def test_the_newest_entries_of_all(abathur: Any, chain: Sequence[str]) -> None:
    entries = abathur("audit", "--limit", "2", "--json").json
    assert len(entries) == 2
    assert entries[0]["id"] < entries[1]["id"]
    assert abathur("audit", "--limit", "1", "--json").json == entries[-1:]


def test_the_newest_entries_of_one_task(abathur: Any, chain: Sequence[str]) -> None:
    for command in ("cancel", "retry", "cancel"):
        abathur.ok("task", command, chain[0])
    entries = abathur("audit", chain[0], "--json").json
    assert len(entries) > 3
    assert abathur("audit", chain[0], "--limit", "2", "--json").json == entries[-2:]
    assert abathur("audit", chain[0], "--limit", "9", "--json").json == entries


def test_the_table_tells_what_changed(abathur: Any) -> None:
    task = abathur.submit("Tidy \x1b[2Jup " + "x" * 100)
    lines = abathur.ok("audit").splitlines()
    assert lines[0].split() == ["TIME", "TASK", "ACTION", "ACTOR", "CHANGE"]
    assert task[:13] in lines[1]
    assert "submitted" in lines[1]
    assert "ready, Tidy" in lines[1]
    assert "\x1b" not in lines[1]
    assert all(columns(line) <= 80 for line in lines)
    assert abathur.ok("audit", task).splitlines()[0].split() == [
        "TIME",
        "ACTION",
        "ACTOR",
        "CHANGE",
    ]


def test_who_did_it_is_known_where_no_variable_tells_a_name(
    abathur: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    abathur.submit("Tidy up")
    (entry, *_) = abathur("audit", "--json").json
    assert entry["actor"] == f"cli:{pwd.getpwuid(os.getuid()).pw_name}"


def test_an_empty_trail(abathur: Any) -> None:
    result = abathur("audit")
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("Nothing has happened yet")
    assert abathur("audit", "--json").json == []


def rows(abathur: Any, *args: str) -> list[int]:
    return [entry["id"] for entry in abathur("audit", *args, "--json").json]


def test_show_is_what_audit_does_without_a_name(abathur: Any, chain: Sequence[str]) -> None:
    for args in ([], [chain[0]], ["--limit", "2"], ["--json"], [chain[1], "--json"]):
        assert abathur.ok("audit", *args) == abathur.ok("audit", "show", *args)
    assert "verify" in abathur.ok("audit", "--help")


def test_the_trail_can_be_followed(abathur: Any, chain: Sequence[str]) -> None:
    known = rows(abathur)
    assert rows(abathur, "--after", "0") == known
    assert rows(abathur, "--after", "0", "--limit", "2") == known[:2]
    assert rows(abathur, "--after", str(known[-1])) == []
    assert abathur("audit", "--after", str(known[-1])).err.startswith("Nothing has happened after")
    abathur.ok("task", "cancel", chain[2])
    assert rows(abathur, "--after", str(known[-1])) == [known[-1] + 1]
    assert rows(abathur, chain[2], "--after", str(known[-1])) == [known[-1] + 1]
    assert rows(abathur, chain[0], "--after", str(known[-1])) == []


def test_a_whole_trail_verifies_and_prints_an_anchor(abathur: Any, chain: Sequence[str]) -> None:
    first, second = abathur.ok("audit", "verify").splitlines()
    assert first.endswith("entries of 3 tasks: nothing was changed or removed")
    told = abathur("audit", "verify", "--json").json
    assert (told["ok"], told["tasks"], told["breaks"]) == (True, 3, [])
    assert second == f"anchor {told['anchor']}"
    abathur.submit("Later")
    assert abathur("audit", "verify", "--anchor", told["anchor"]).code == 0
    assert abathur.ok("audit", "verify", chain[0]).startswith("2 entries of 1 task: ")
    assert abathur("audit", "verify", chain[0], "--json").json["anchor"] is None


def test_a_broken_trail_is_told_line_by_line(abathur: Any, chain: Sequence[str]) -> None:
    anchor = abathur("audit", "verify", "--json").json["anchor"]
    row, _, digest = anchor.partition(":")
    other = f"{row}:{digest[::-1]}"
    assert abathur("audit", "verify", "--anchor", other).code == 1
    with closing(connect(str(abathur.root / ".abathur" / "abathur.db"), busy_timeout=10)) as raw:
        raw.execute("DROP TRIGGER audit_is_never_changed")
        raw.execute("UPDATE audit SET actor = 'cli:eve' WHERE id = 1")
    result = abathur("audit", "verify")
    assert result.code == 1
    assert result.out.splitlines() == [
        f"task {chain[0]}: row 1 (entry 1) isn't what was written: it or the entry before it was "
        "changed"
    ]
    (told,) = abathur("audit", "verify", "--json").json["breaks"]
    assert (told["task_id"], told["row"], told["sequence"]) == (chain[0], 1, 1)
    assert abathur("audit", "verify", chain[0]).code == 1
    assert abathur("audit", "verify", chain[1]).code == 0


def test_an_entry_that_nobody_could_write_is_told(abathur: Any, chain: Sequence[str]) -> None:
    with closing(connect(str(abathur.root / ".abathur" / "abathur.db"), busy_timeout=10)) as raw:
        raw.execute("DROP TRIGGER audit_is_never_changed")
        raw.execute("UPDATE audit SET action_type = 'looked' WHERE id = 1")
    shown = abathur("audit", chain[0])
    assert (shown.code, "row 1 of the audit trail" in shown.line) == (6, True)
    assert abathur("audit", "verify").code == 1
    raw_data = "UPDATE audit SET action_data = 'x' WHERE id = 1"
    with closing(connect(str(abathur.root / ".abathur" / "abathur.db"), busy_timeout=10)) as raw:
        raw.execute(raw_data)
    assert "its entries don't tell a task" in abathur("audit", "verify").out
    past = abathur("task", "list", "--at", "now")
    assert (past.code, past.line.endswith("run `abathur audit verify`")) == (6, True)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["verify", "--anchor", "12"], 2),
        (["verify", "ab", "--anchor", f"1:{'a' * 64}"], 2),
        (["verify", "ffffffff"], 3),
        (["replay", "ffffffff"], 3),
        (["replay", "--at", "yesterday"], 2),
        (["replay", "--at", "2999-01-01T00:00:00Z"], 2),
        (["--after", "-1"], 2),
    ],
)
def test_what_cannot_be_asked_is_refused(abathur: Any, args: Sequence[str], code: int) -> None:
    result = abathur("audit", *args)
    assert result.code == code
    assert result.out == ""


def times(abathur: Any, task: str) -> list[str]:
    return [entry["timestamp"] for entry in abathur("audit", task, "--json").json]


def test_the_queue_of_any_moment_is_listed(abathur: Any, chain: Sequence[str]) -> None:
    before = abathur("task", "list", "--json").json
    abathur.ok("task", "cancel", chain[0])
    after = abathur("task", "list", "--json").json
    *_, reranked, cancelled = times(abathur, chain[0])
    last = times(abathur, chain[2])[0]
    assert last < cancelled
    assert reranked < last
    listed = abathur("task", "list", "--at", last, "--json").json
    assert listed == before
    assert abathur("audit", "replay", "--at", last, "--json").json == before
    assert abathur("audit", "replay", "--json").json == after
    assert abathur("task", "list", "--at", "now", "--json").json == after
    assert abathur("audit", "replay", chain[1], "--at", last, "--json").json == before[1:2]
    told = abathur.ok("task", "list", "--at", last)
    assert told.split()[:3] == ["ID", "STATUS", "PRI"]
    assert "ready" in told
    assert "cancelled" not in told


def test_a_task_of_any_moment_is_shown(abathur: Any, chain: Sequence[str]) -> None:
    before = abathur("task", "show", chain[1], "--json").json["task"]
    moment = times(abathur, chain[2])[0]
    abathur.ok("task", "cancel", chain[0])
    assert "cancelled by" in abathur.ok("task", "show", chain[1])
    told = abathur("task", "show", chain[1], "--at", moment)
    assert told.code == 0
    lines = {line.strip(): line for line in told.out.splitlines()}
    assert "status        blocked" in lines
    assert "cancelled" not in told.out
    (prerequisite,) = [line for line in lines if line.startswith(chain[0][:13])]
    assert prerequisite.split()[1] == "ready"
    assert "aren't told of then" in told.err
    shown = abathur("task", "show", chain[1], "--at", moment, "--json")
    assert (shown.json, shown.err) == (before, "")
    early = abathur("task", "show", chain[1], "--at", "1w ago")
    assert (early.code, early.out) == (3, "")
    assert abathur("task", "show", chain[1], "--at", "yesterday").code == 2


def test_the_past_can_be_filtered(abathur: Any, chain: Sequence[str]) -> None:
    abathur.ok("task", "cancel", chain[0])
    moment = times(abathur, chain[2])[0]

    def found(*options: str) -> list[str]:
        listed = abathur("task", "list", "--at", moment, "--json", *options).json
        return [task["id"] for task in listed]

    assert found("--status", "blocked") == list(chain[1:])
    assert found("--exclude-status", "blocked") == [chain[0]]
    assert found("--search", "SECOND") == [chain[1]]
    assert found("--limit", "1") == [chain[2]]
    assert found("--agent-type", "other") == []
    empty = abathur("task", "list", "--at", "1w ago")
    assert (empty.code, empty.out) == (0, "")
    assert abathur("audit", "replay", "--at", "1w ago").err.startswith("There was no task then")
