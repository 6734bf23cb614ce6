"""What a script may say, and that mistakes are told with file and line."""

import json

import pytest

from abathur.domain.errors import PlanError
from abathur.infrastructure.model_server.script import (
    FOREVER,
    Api,
    Break,
    Counts,
    Ending,
    Meeting,
    ToolCall,
    Turn,
)
from abathur.infrastructure.model_server.script_file import read_script

WHOLE = """\
models: [small, large]
conversations:
  - name: hello
    when: {api: messages, model: "claude-*", prompt: [hello, "42"], turn: 1, tool: Write}
    then: repeat
    turns:
      - think: Hm.
        text: I'll write it.
        tools:
          - Write: {file_path: a.txt, content: "hi\\n"}
          - Bash: not json
        usage: {input: 7, output: 3}
      - {status: 429, retry_after: 30, times: 2}
      - {text: slow, wait: forever, pace: 0.5, cut: 3, after: {conversation: "2", turn: 3}}
      - {text: [a, b], fail: {after: 4, error: api_error, message: stop}}
      - {raw: "<html>", content_type: text/html}
  - turns: [{text: other}]
    shared: true
"""


def test_everything_that_a_script_may_say_is_read() -> None:
    script = read_script("x/all.yaml", WHOLE)
    hello, other = script.conversations
    first, *refused, slow, broken, raw = hello.turns
    calls = (
        ToolCall("Write", {"file_path": "a.txt", "content": "hi\n"}),
        ToolCall("Bash", "not json"),
    )
    assert (script.name, script.models) == ("all.yaml", ("small", "large"))
    assert (hello.when.api, hello.when.prompt) == (Api.MESSAGES, ("hello", "42"))
    assert (hello.when.model, hello.when.turn, hello.when.tool) == ("claude-*", 1, "Write")
    assert (hello.then, other.then) == (Ending.REPEAT, Ending.FAIL)
    assert (first.thinking, first.texts, first.tools) == ("Hm.", ("I'll write it.",), calls)
    assert first.usage == Counts(input=7, output=3)
    assert refused == [Turn(status=429, headers={"retry-after": "30"})] * 2
    assert slow.after == Meeting("2", 3)
    assert (slow.wait, slow.pace, slow.cut) == (FOREVER, 0.5, 3)
    assert (broken.texts, broken.fail) == (("a", "b"), Break(4, "api_error", "stop"))
    assert (raw.raw, raw.content_type) == ("<html>", "text/html")
    assert (other.name, other.shared) == ("2", True)


def test_one_conversation_needs_no_list_and_json_is_fine() -> None:
    script = read_script("s.json", json.dumps({"turns": [{"text": "hi"}], "then": "stop"}))
    assert [one.then for one in script.conversations] == [Ending.STOP]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "s.yaml:1: syntax: the file is empty; it needs `turns:`"),
        ("models: [a]", "s.yaml:1: script: it needs `turns:`"),
        ("turns: []", "s.yaml:1: turns: a list with at least one turn"),
        ("turns:\n- txt: hi", "s.yaml:2: txt: there is no such field; did you mean `text`?"),
        ("turns:\n- {status: 429, text: no}", "s.yaml:2: text: only an answer has it"),
        ("turns:\n- {text: no, error: x}", "s.yaml:2: error: only a refusal has it"),
        ("turns:\n- {text: a, after: {turn: 2}}", "s.yaml:2: after: `conversation` is missing"),
        ("turns:\n- {status: 1000}", "s.yaml:2: status: a status is at most 599"),
        ("turns:\n- tools:\n  - {A: {}, B: {}}", "s.yaml:3: tools: each call is one"),
        ("turns:\n- tools:\n  - A: 5", "s.yaml:3: A: arguments are a mapping"),
        ("turns:\n- {text: a, wait: -1}", "s.yaml:2: wait: seconds from 0"),
        ("turns:\n- {text: a, cut: yes}", "s.yaml:2: cut: a whole number from 0"),
        ("turns: [{text: a}]\nthen: never", "s.yaml:2: then: `never` isn't one of fail, stop"),
        ("turns: [{text: a, times: 10001}]", "s.yaml:1: turns: there are more than 10000"),
        ("conversations: 5", "s.yaml:1: conversations: a list is needed, not a number"),
        ("conversations: [{turns: [{text: a}]}]\nturns: []", "put `turns` and `then` into each"),
        ("conversations:\n- turns: [{text: a}]\n  when: {api: x}", "s.yaml:3: api: `x` isn't one"),
        ("turns: [{text: a}", "s.yaml:1: syntax:"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(PlanError) as caught:
        read_script("s.yaml", text)
    assert any(told in problem for problem in caught.value.problems), caught.value.problems


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(PlanError) as caught:
        read_script("s.yaml", "turns:\n- {stop: []}\n- {cut: -1}\nthen: x")
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["2", "3", "4"]
