"""What `--json` prints is what its documentation says, field by field, after a real run."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from abathur.cli.main import call
from abathur.cli.shape_fields import COMMAND_SHAPES, SHAPES

CONFIG = {
    "default_runtime": "fake",
    "retry": {"initial_seconds": 0.05, "max_seconds": 0.1},
}
STEPS = {
    "1": [{"write": {"path": "a.txt", "text": "half\n"}}, {"fail": "no idea"}],
    "*": [
        {"usage": {"input_tokens": 5, "cost_usd": 0.25}},
        {"write": {"path": "a.txt", "text": "done\n"}},
        {"result": {"files": ["a.txt"]}},
    ],
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
PLAIN: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
}


def problems(value: Any, kind: str, where: str) -> Iterator[str]:
    """How the value differs from the documented type."""
    if kind.endswith("?"):
        if value is not None:
            yield from problems(value, kind[:-1], where)
    elif kind.endswith("[]"):
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
            return
        for place, item in enumerate(value):
            yield from problems(item, kind[:-2], f"{where}[{place}]")
    elif kind == "time":
        if not (isinstance(value, str) and TIME.fullmatch(value)):
            yield f"{where}: {value!r} is no time"
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (isinstance(value, bool) != (kind == "boolean")):
            yield f"{where}: {value!r} is no {kind}"
    else:
        yield from shape_problems(value, kind, where)


def shape_problems(value: Any, name: str, where: str) -> Iterator[str]:
    shape = SHAPES[name]
    if not isinstance(value, dict) or list(value) != list(shape):
        yield f"{where}: {value!r} hasn't exactly the fields of {name}, in order"
        return
    for field, (kind, _) in shape.items():
        yield from problems(value[field], kind, f"{where}.{field}")


class Cli:
    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capture = capture

    def __call__(self, *args: str, code: int = 0) -> str:
        self.capture.readouterr()
        assert call(["--project", str(self.root), *args]) == code
        return self.capture.readouterr().out


@pytest.fixture
def cli(git_repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    cli = Cli(git_repo, capsys)
    cli("init")
    (git_repo / ".abathur" / "config.yaml").write_text(json.dumps(CONFIG))
    return cli


def test_every_command_prints_its_documented_shape(cli: Cli) -> None:
    task = cli("task", "submit", "Write it", "--input-data", json.dumps({"script": STEPS})).strip()
    after = cli("task", "submit", "After it", "-p", task, "--deadline", "+2h").strip()
    cli("swarm", "start", "--until-idle")
    gone = cli("task", "submit", "Not needed", "-p", task, "--estimate", "5m").strip()
    printed = {
        "task submit": cli("task", "submit", "Open", "--target", "main", "--json"),
        "task list": cli("task", "list", "--json"),
        "task show": cli("task", "show", task, "--json"),
        "task why": cli("task", "why", task, "--json"),
        "task diff": cli("task", "diff", task, "--json"),
        "task plan": cli("task", "plan", "--json"),
        "task cancel": cli("task", "cancel", gone, "--json"),
        "task retry": cli("task", "retry", gone, "--json"),
        "audit": cli("audit", "--json"),
    }
    events = [json.loads(line) for line in cli("task", "logs", task, "--json").splitlines()]
    found = list(problems(events, "Event[]", "task logs"))
    for command, text in printed.items():
        found += problems(json.loads(text), COMMAND_SHAPES[command], command)
    assert found == []
    assert set(COMMAND_SHAPES) == {*printed, "task logs"}

    # Not vacuous: what may be null or empty was there.
    detail = json.loads(printed["task show"])
    assert [attempt["outcome"] for attempt in detail["attempts"]] == ["failed", "succeeded"]
    assert detail["attempts"][1]["usage"]["cost_usd"] == 0.25
    assert detail["attempts"][0]["salvage_ref"]
    assert detail["landings"][0]["proof"]["merge_commit"]
    assert detail["task"]["result_data"] == {"files": ["a.txt"]}
    assert detail["dependents"][0]["id"] == after
    assert events


def test_errors_have_their_documented_shape(cli: Cli) -> None:
    cli.capture.readouterr()
    assert call(["--project", str(cli.root), "task", "show", "ffff", "--json"]) == 3
    captured = cli.capture.readouterr()
    assert captured.out == ""
    assert list(problems(json.loads(captured.err)["error"], "Error", "error")) == []


def test_every_field_is_explained_or_plain() -> None:
    known = {*PLAIN, "time", *SHAPES}
    for name, shape in SHAPES.items():
        for field, (kind, meaning) in shape.items():
            assert re.sub(r"[\[\]?]", "", kind) in known, f"{name}.{field}: {kind}"
            assert meaning or name == "Usage", f"{name}.{field}"
            assert not meaning.endswith("."), f"{name}.{field}"


def test_every_shape_is_printed_by_something() -> None:
    used = {re.sub(r"[\[\]?]|,.*", "", kind) for kind in COMMAND_SHAPES.values()}
    inner = {re.sub(r"[\[\]?]", "", kind) for s in SHAPES.values() for kind, _ in s.values()}
    assert set(SHAPES) - used - inner == {"Error"}
