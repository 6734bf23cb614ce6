"""What a request asks for, the same for all ways of asking. Reads what clients send; never raises
on the shape of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from abathur.infrastructure.model_server.script import Api

PATHS: Final = {
    "/messages": Api.MESSAGES,
    "/responses": Api.RESPONSES,
    "/chat/completions": Api.CHAT,
    ":generateContent": Api.GEMINI,
    ":streamGenerateContent": Api.GEMINI,
}
"""How the path of a request ends; what is before it is the client's base URL."""

SESSION_HEADERS: Final = ("x-claude-code-session-id", "session_id", "session-id", "x-session-id")


_SERVERS: Final = "mcp__"


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool of the client's."""

    name: str
    kind: str
    """`function`, `custom` or what the API calls it otherwise."""
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    api: Api
    model: str
    stream: bool
    system: str
    prompts: tuple[str, ...]
    last: str
    answers: int
    """How many messages of the model's own are part of the request."""
    tools: tuple[Offered, ...]
    session: str | None
    """The client's name for the conversation, when it tells one."""
    body: Mapping[str, Any] = field(repr=False)

    def tool(self, name: str) -> Offered:
        """The tool by its name, with or without its namespace; as a function when unknown."""
        for tool in self.tools:
            if name in {
                tool.name,
                f"{tool.namespace}{tool.name}",
                f"{tool.namespace}__{tool.name}",
            }:
                return tool
        # Codex doesn't show the tools of servers until they are searched for.
        server, _, tool_name = name.removeprefix(_SERVERS).partition("__")
        if self.api is Api.RESPONSES and name.startswith(_SERVERS) and tool_name:
            return Offered(tool_name, "function", f"{_SERVERS}{server}")
        return Offered(name, "function")


def api_of(path: str) -> Api | None:
    plain = path.partition("?")[0].rstrip("/")
    return next((api for ending, api in PATHS.items() if plain.endswith(ending)), None)


def told_by_path(path: str) -> Mapping[str, Any]:
    """What the Gemini API says outside of the body: `models/NAME:METHOD`."""
    model, _, method = path.partition("?")[0].rpartition("/")[2].rpartition(":")
    return {"model": model, "stream": method.startswith("stream")} if model else {}


def read_request(api: Api, body: Mapping[str, Any], headers: Mapping[str, str]) -> Asked:
    messages = _messages(api, body)
    system = [_system(api, body), *(text for role, text in messages if role in _SYSTEM_ROLES)]
    users = tuple(text for role, text in messages if role == "user" and text)
    return Asked(
        api=api,
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        system="\n".join(text for text in system if text),
        prompts=users,
        last=messages[-1][1] if messages else "",
        answers=_rounds(messages),
        tools=tuple(_tools(body)),
        session=_session(body, headers),
        body=body,
    )


_SYSTEM_ROLES: Final = frozenset({"system", "developer"})
_OWN_ITEMS: Final = frozenset(
    {"function_call", "custom_tool_call", "local_shell_call", "reasoning", "tool_search_call"}
)


def _messages(api: Api, body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Role and text of each message; results of tools have the role `tool`."""
    if api is Api.GEMINI:
        return list(_contents(body.get("contents")))
    given = body.get("input" if api is Api.RESPONSES else "messages")
    if isinstance(given, str):
        return [("user", given)]
    items = given if isinstance(given, list) else []
    return [pair for item in items if isinstance(item, Mapping) for pair in _pairs(item)]


def _pairs(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind = str(item.get("type", "message"))
    if kind in _OWN_ITEMS:
        yield "assistant", ""
    elif kind.endswith("_output"):
        yield "tool", _text(item.get("output"))
    elif kind == "message":
        yield from _parts(str(item.get("role", "")), item.get("content"))


def _parts(role: str, content: object) -> Iterator[tuple[str, str]]:
    blocks = content if isinstance(content, list) else []
    results = [b for b in blocks if isinstance(b, Mapping) and b.get("type") == "tool_result"]
    rest = [block for block in blocks if block not in results] if results else content
    if rest or not results:
        yield role, _text(rest)
    for result in results:
        yield "tool", _text(result.get("content"))


def _contents(given: object) -> Iterator[tuple[str, str]]:
    """Messages as the Gemini API has them: roles `user` and `model`, and parts of several kinds."""
    for item in given if isinstance(given, list) else []:
        parts = item.get("parts") if isinstance(item, Mapping) else None
        for part in parts if isinstance(parts, list) else []:
            if isinstance(part, Mapping) and "functionResponse" in part:
                yield "tool", json.dumps(part["functionResponse"], ensure_ascii=False)
            else:
                yield "assistant" if item.get("role") == "model" else "user", _text(part)


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, map(_text, content)))
    if isinstance(content, Mapping):
        text = content.get("text")
        inner = content.get("content", content.get("parts"))
        return text if isinstance(text, str) else _text(inner)
    return ""


def _system(api: Api, body: Mapping[str, Any]) -> str:
    keys = {Api.RESPONSES: "instructions", Api.GEMINI: "systemInstruction"}
    return _text(body.get(keys.get(api, "system")))


def _rounds(messages: list[tuple[str, str]]) -> int:
    """Messages of the model's that stand together are one answer."""
    roles = [role for role, _ in messages]
    before = ["", *roles]
    return sum(
        1
        for role, prior in zip(roles, before, strict=False)
        if role == "assistant" and prior != "assistant"
    )


def _tools(body: Mapping[str, Any]) -> Iterator[Offered]:
    given = body.get("tools")
    lists = [given] if isinstance(given, list) else []
    items = body.get("input")
    for item in items if isinstance(items, list) else []:
        if isinstance(item, Mapping) and isinstance(item.get("tools"), list):
            lists.append(item["tools"])
    for tools in lists:
        for tool in tools:
            if isinstance(tool, Mapping):
                yield from _offered(tool, None)


def _offered(tool: Mapping[str, Any], namespace: str | None) -> Iterator[Offered]:
    kind = str(tool.get("type", "function"))
    nested = tool.get("tools", tool.get("functionDeclarations"))
    if isinstance(nested, list):
        for inner in nested:
            if isinstance(inner, Mapping):
                yield from _offered(inner, str(tool["name"]) if "name" in tool else None)
        return
    inner = tool.get("function")
    name = inner.get("name") if isinstance(inner, Mapping) else tool.get("name")
    yield Offered(str(name or kind), kind, namespace)


def _session(body: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    for name in SESSION_HEADERS:
        if value := headers.get(name):
            return value
    key = body.get("prompt_cache_key")
    return key if isinstance(key, str) else None


def fingerprint(asked: Asked) -> str:
    """Tells conversations apart whose client names none: by how they began."""
    return json.dumps([asked.model, asked.system, asked.prompts[:1]])
