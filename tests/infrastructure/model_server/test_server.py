"""The scripted model as clients meet it: by their own SDKs, and byte by byte."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from abathur.infrastructure.model_server.script import (
    FOREVER,
    Api,
    Break,
    Conversation,
    Counts,
    Ending,
    Match,
    Meeting,
    Script,
    ToolCall,
    Turn,
    script_of,
)
from abathur.infrastructure.model_server.server import ModelServer

if TYPE_CHECKING:
    # Imported where they are used: every worker collects these tests, and few run them.
    import anthropic
    import openai

LONG = "ä word " * 300
WRITE = ToolCall("Write", {"path": "a.txt", "text": LONG})
WORK = Turn(thinking="Hm.", texts=("I'll write.",), tools=(WRITE,), usage=Counts(input=9, output=4))
DONE = Turn(texts=(LONG,))
SESSION = {"x-session-id": "one"}
USER: Any = [{"role": "user", "content": "hello"}]


def claude(server: ModelServer) -> "anthropic.Anthropic":
    import anthropic

    return anthropic.Anthropic(
        base_url=server.url, api_key="dummy", max_retries=0, default_headers=SESSION
    )


def gpt(server: ModelServer) -> "openai.OpenAI":
    import openai

    return openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="dummy", max_retries=0, default_headers=SESSION
    )


def post(server: ModelServer, path: str, body: Mapping[str, Any], **headers: str) -> Any:
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def ask(server: ModelServer, text: str = "hello", model: str = "m", **headers: str) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    answer = post(server, "/v1/chat/completions", body, **headers)
    return answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize("stream", [False, True])
def test_messages_are_answered_as_the_sdk_expects(stream: bool) -> None:
    with ModelServer(script_of(WORK, DONE)) as server, claude(server) as client:
        for turn in (WORK, DONE):
            asked: dict[str, Any] = {"model": "claude-x", "max_tokens": 99, "messages": USER}
            if stream:
                with client.messages.stream(**asked) as events:
                    answer = events.get_final_message()
            else:
                answer = client.messages.create(**asked)
            told = [block.text for block in answer.content if block.type == "text"]
            calls = [b.input for b in answer.content if b.type == "tool_use"]
            assert tuple(told) == turn.texts
            assert calls == [call.arguments for call in turn.tools]
            assert answer.stop_reason == ("tool_use" if turn.tools else "end_turn")
            assert answer.usage.input_tokens == turn.usage.input
            assert answer.usage.output_tokens == turn.usage.output


@pytest.mark.parametrize("stream", [False, True])
def test_responses_are_answered_as_the_sdk_expects(stream: bool) -> None:
    with ModelServer(script_of(WORK, DONE)) as server, gpt(server) as client:
        for turn in (WORK, DONE):
            if stream:
                with client.responses.stream(model="gpt-x", input="hello") as events:
                    answer: Any = events.get_final_response()
            else:
                answer = client.responses.create(model="gpt-x", input="hello")
            calls = [json.loads(i.arguments) for i in answer.output if i.type == "function_call"]
            assert answer.status == "completed"
            assert (answer.output_text,) == turn.texts
            assert calls == [call.arguments for call in turn.tools]
            assert answer.usage.input_tokens == turn.usage.input


@pytest.mark.parametrize("stream", [False, True])
def test_chat_is_answered_as_the_sdk_expects(stream: bool) -> None:
    with ModelServer(script_of(WORK, DONE)) as server, gpt(server) as client:
        for turn in (WORK, DONE):
            if stream:
                options: Any = {"include_usage": True}
                with client.chat.completions.stream(
                    model="gpt-x", messages=USER, stream_options=options
                ) as events:
                    answer: Any = events.get_final_completion()
            else:
                answer = client.chat.completions.create(model="gpt-x", messages=USER)
            (choice,) = answer.choices
            calls = [json.loads(c.function.arguments) for c in choice.message.tool_calls or ()]
            assert choice.message.content == turn.texts[0]
            assert calls == [call.arguments for call in turn.tools]
            assert choice.finish_reason == ("tool_calls" if turn.tools else "stop")
            assert answer.usage.prompt_tokens == turn.usage.input


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, "AuthenticationError", "authentication_error"),
        (429, "RateLimitError", "rate_limit_error"),
        (500, "InternalServerError", "api_error"),
        (529, "APIStatusError", "overloaded_error"),
    ],
)
def test_refusals_are_those_of_the_api(status: int, kind: str, words: str) -> None:
    import anthropic

    turn = Turn(status=status, headers={"retry-after": "7"})
    with ModelServer(script_of(turn)) as server, claude(server) as client:
        with pytest.raises(getattr(anthropic, kind), match=words) as caught:
            client.messages.create(model="m", max_tokens=9, messages=USER)
        error: Any = caught.value
        assert error.response.headers["retry-after"] == "7"


def test_an_error_in_the_middle_of_a_stream_reaches_the_client() -> None:
    import anthropic

    turn = Turn(texts=(LONG,), fail=Break(3, "overloaded_error", "too many"))
    with (
        ModelServer(script_of(turn)) as server,
        claude(server) as client,
        pytest.raises(anthropic.APIStatusError, match="too many"),
        client.messages.stream(model="m", max_tokens=9, messages=USER) as events,
    ):
        events.get_final_message()


@pytest.mark.parametrize("cut", [0, 3])
def test_a_cut_connection_is_no_answer(cut: int) -> None:
    import anthropic

    with (
        ModelServer(script_of(Turn(texts=(LONG,), cut=cut))) as server,
        claude(server) as client,
        pytest.raises((anthropic.APIError, httpx2.HTTPError)),
        client.messages.stream(model="m", max_tokens=9, messages=USER) as events,
    ):
        events.get_final_message()


def test_what_is_slow_ends_with_the_server() -> None:
    asked = threading.Event()
    server = ModelServer(script_of(Turn(wait=FOREVER)), told=lambda _request: asked.set())
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            ask(server)
        except OSError as error:
            ended.append(error)

    client = threading.Thread(target=wait)
    with server:
        client.start()
        assert asked.wait(30)
    client.join(30)
    assert len(ended) == 1


def test_a_turn_waits_until_another_conversation_has_come_so_far() -> None:
    order: list[str] = []
    both = (
        Conversation(
            name="first",
            when=Match(prompt=("first",)),
            turns=(Turn(texts=("1",), after=Meeting("second", 1)),),
        ),
        Conversation(name="second", when=Match(prompt=("second",)), turns=(Turn(texts=("2",)),)),
    )
    asked = threading.Event()
    script = Script(name="s", conversations=both)
    with ModelServer(script, told=lambda _request: asked.set()) as server:
        client = threading.Thread(target=lambda: order.append(ask(server, "first")))
        client.start()
        assert asked.wait(30)
        assert order == []
        order.append(ask(server, "second"))
        client.join(30)
    assert sorted(order) == ["1", "2"]


def test_raw_bytes_are_sent_as_they_are() -> None:
    turn = Turn(raw="<html>busy</html>", content_type="text/html")
    with ModelServer(script_of(turn)) as server:
        body = json.dumps({"messages": USER}).encode()
        with urllib.request.urlopen(f"{server.url}/v1/messages", body) as answer:
            assert answer.headers["content-type"] == "text/html"
            assert answer.read() == b"<html>busy</html>"


def test_conversations_are_found_by_what_is_asked() -> None:
    def talk(name: str, when: Match, **more: Any) -> Conversation:
        return Conversation(name=name, when=when, turns=(Turn(texts=(name,)),), **more)

    script = Script(
        name="s",
        conversations=(
            talk("small", Match(model="*-small"), then=Ending.REPEAT),
            talk("alpha", Match(prompt=("alpha",), api=Api.CHAT), then=Ending.REPEAT),
            talk("second", Match(turn=2)),
        ),
    )
    with ModelServer(script) as server:
        assert ask(server, "do alpha") == "alpha"
        assert ask(server, "do alpha", "m-small") == "small"
        talked = [*USER, {"role": "assistant", "content": "hi"}, *USER]
        answer = post(server, "/v1/messages", {"messages": talked})
        assert answer["content"][0]["text"] == "second"
        with pytest.raises(urllib.error.HTTPError, match="400"):
            ask(server, "beta")
        assert [r.conversation for r in server.requests] == ["alpha", "small", "second", None]


def test_each_session_plays_from_the_start_unless_they_share() -> None:
    turns = (Turn(texts=("one",)), Turn(texts=("two",)))
    with ModelServer(script_of(*turns)) as server:
        one, other = ({"x-claude-code-session-id": name} for name in ("1", "2"))
        assert [ask(server, **who) for who in (one, other, one, other)] == [
            "one",
            "one",
            "two",
            "two",
        ]
    shared = Script(name="s", conversations=(Conversation(name="c", turns=turns, shared=True),))
    with ModelServer(shared) as server:
        assert [ask(server, **who) for who in (one, other)] == ["one", "two"]


def test_a_client_without_a_name_is_answered_again_after_a_refusal_only() -> None:
    script = script_of(Turn(status=429), Turn(texts=("one",)), Turn(texts=("two",)))
    with ModelServer(script) as server:
        with pytest.raises(urllib.error.HTTPError, match="429"):
            ask(server)
        assert ask(server) == "one"
        with pytest.raises(urllib.error.HTTPError, match="429"):
            ask(server)


@pytest.mark.parametrize(
    ("then", "told"),
    [
        (Ending.STOP, ["a", "b", "The script is over.", "The script is over."]),
        (Ending.REPEAT, ["a", "b", "b", "b"]),
        (Ending.RESTART, ["a", "b", "a", "b"]),
    ],
)
def test_what_is_answered_when_the_script_is_over(then: Ending, told: list[str]) -> None:
    with ModelServer(script_of(Turn(texts=("a",)), Turn(texts=("b",)), then=then)) as server:
        who = {"session_id": "s"}
        assert [ask(server, **who) for _ in told] == told


def test_being_over_is_an_error_that_names_the_conversation() -> None:
    with ModelServer(script_of(Turn(texts=("a",)))) as server:
        ask(server, session_id="s")
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(server, session_id="s")
        assert "conversation `all` is over after 1 turns" in caught.value.read().decode()


def test_requests_are_recorded_without_keys() -> None:
    with ModelServer(script_of(DONE)) as server, claude(server) as client:
        client.messages.create(model="claude-x", max_tokens=9, messages=USER)
        (request,) = server.requests
    assert request.body["model"] == "claude-x"
    assert "***" in request.headers.values()
    assert "dummy" not in str(request.headers)
    assert (request.conversation, request.turn, request.path) == ("all", 1, "/v1/messages")


def test_tools_of_all_kinds_are_called_as_they_are_offered() -> None:
    tools = [
        {"type": "function", "name": "exec", "parameters": {}},
        {"type": "custom", "name": "apply_patch"},
        {
            "type": "namespace",
            "name": "mcp__swarm",
            "tools": [{"type": "function", "name": "claim"}],
        },
    ]
    calls = (
        ToolCall("exec", {"cmd": "ls"}),
        ToolCall("apply_patch", "*** Begin"),
        ToolCall("mcp__swarm__claim", {}),
    )
    with ModelServer(script_of(Turn(tools=calls))) as server:
        answer = post(server, "/v1/responses", {"model": "m", "input": "x", "tools": tools})
    first, second, third = answer["output"]
    assert (first["type"], json.loads(first["arguments"])) == ("function_call", {"cmd": "ls"})
    assert (second["type"], second["input"]) == ("custom_tool_call", "*** Begin")
    assert (third["namespace"], third["name"]) == ("mcp__swarm", "claim")


def test_what_is_asked_beside_is_answered_too() -> None:
    with ModelServer(script_of(DONE)) as server:
        assert post(server, "/v1/messages/count_tokens?beta=true", {"messages": USER})[
            "input_tokens"
        ]
        with urllib.request.urlopen(f"{server.url}/v1/models") as answer:
            assert json.load(answer)["data"][0]["id"] == "scripted"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            post(server, "/v1/nothing", {})
        with pytest.raises(urllib.error.HTTPError, match="400"):
            post(server, "/v1/messages", [])  # type: ignore[arg-type]
        assert server.requests == ()


def test_gemini_is_answered_in_its_own_words() -> None:
    body = {
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"functionDeclarations": [{"name": "write_file"}]}],
    }
    place = "/v1beta/models/gemini-x"
    with ModelServer(script_of(WORK, DONE, Turn(status=429))) as server:
        asked = urllib.request.Request(
            f"{server.url}{place}:streamGenerateContent?alt=sse", json.dumps(body).encode(), SESSION
        )
        with urllib.request.urlopen(asked) as answer:
            told = [json.loads(line[6:]) for line in answer if line.startswith(b"data: ")]
        whole = post(server, f"{place}:generateContent", body, **SESSION)
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(server, f"{place}:generateContent", body, **SESSION)
    parts = [part for one in told for part in one["candidates"][0]["content"]["parts"]]
    assert "".join(part.get("text", "") for part in parts if "thought" not in part) == WORK.texts[0]
    calls = [part["functionCall"]["args"] for part in parts if "functionCall" in part]
    assert calls == [call.arguments for call in WORK.tools]
    assert told[-1]["candidates"][0]["finishReason"] == "STOP"
    assert told[-1]["usageMetadata"]["promptTokenCount"] == WORK.usage.input
    assert whole["candidates"][0]["content"]["parts"] == [{"text": DONE.texts[0]}]
    assert json.load(refused.value)["error"]["status"] == "RESOURCE_EXHAUSTED"
    first = server.requests[0].asked
    assert (first.model, first.stream, first.system) == ("gemini-x", True, "Be brief.")
    assert [tool.name for tool in first.tools] == ["write_file"]
