"""Torn, reordered, truncated and random lines: no parser raises, and none sees a success in them.

What is fed is what the programs really printed, without the line that says that all went well.
"""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.runs import Exit, OutcomeKind, RunEvent
from abathur.infrastructure.runtimes import load_runtime

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "transcripts"

FINAL = {
    "agy": '"status":"SUCCESS"',
    "aider": "Tokens: ",
    "claude": '"subtype":"success"',
    "codex": '"turn.completed"',
    "gemini": '"status":"success","stats"',
    "opencode": '"reason":"stop"',
}
"""What only the line of a success holds."""

OF_OURS = {
    name: [
        json.dumps({"event": "started", "text": "s", "session_id": "x"}),
        json.dumps({"event": "text", "text": "working on it", "delta": True}),
        json.dumps({"event": "tool_use", "text": "edit a.txt", "call": "1", "tool": "edit"}),
        json.dumps({"event": "tool_result", "text": "ok", "call": "1", "is_error": False}),
        json.dumps({"event": "usage", "input_tokens": 3, "cost_usd": 0.5, "is_total": True}),
        json.dumps({"event": "end", "text": "it failed", "ok": False, "message": "it failed"}),
    ]
    for name in ("acp", "anthropic", "fake", "openai")
}
"""Programs of ours, which tell events in our own words."""


def recorded(runtime: str) -> list[str]:
    if runtime in OF_OURS:
        return OF_OURS[runtime]
    files = sorted((FOLDER / runtime).iterdir())
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if FINAL[runtime] not in line.replace('": "', '":"')]


LINES = {runtime: recorded(runtime) for runtime in (*FINAL, *OF_OURS)}


def spoilt(lines: list[str], chance: random.Random) -> list[str]:
    """Some of the lines in any order; some torn in two, cut, glued to others or strewn."""
    found: list[str] = []
    for line in chance.choices(lines, k=chance.randint(1, 12)):
        place = chance.randint(0, len(line))
        match chance.randint(0, 5):
            case 0:
                found += [line[:place], line[place:]]
            case 1:
                found.append(line[:place])
            case 2:
                found.append(line[:place] + chance.choice(lines) + line[place:])
            case 3:
                found.append(line[:place] + chance.choice('{}[]"\\,:\0\ud800') + line[place + 1 :])
            case _:
                found.append(line)
    return found


@pytest.mark.parametrize("runtime", sorted(LINES))
@settings(max_examples=120)
@given(seed=st.integers(0, 2**32), code=st.integers(-15, 2), stderr=st.text(max_size=40))
def test_whatever_comes_is_read_and_is_no_success(
    runtime: str, seed: int, code: int, stderr: str
) -> None:
    made = load_runtime(runtime)
    events: list[RunEvent] = []
    for line in spoilt(LINES[runtime], random.Random(seed)):
        events.extend(made.parse(line))
    outcome = made.outcome(Exit(code=code, stderr_tail=stderr), events)
    assert outcome.kind is not OutcomeKind.SUCCEEDED
    assert outcome.message
    assert all(event.text.isprintable() for event in events)


@pytest.mark.parametrize("runtime", sorted(FINAL))
def test_there_is_a_line_that_says_that_all_went_well(runtime: str) -> None:
    """Without one the test above would prove nothing."""
    (file,) = (FOLDER / runtime).glob("edit.*")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if FINAL[runtime] in line.replace('": "', '":"')]
