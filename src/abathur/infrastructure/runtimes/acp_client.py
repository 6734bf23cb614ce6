"""The program behind the `acp` runtime: a client of the Agent Client Protocol, version 1.

Standard library only; started by its path, not imported. It reads one JSON document from stdin,
starts the agent named there, opens a session, hands over the prompt, answers what the agent asks,
and tells what happens, one JSON event a line. At TERM it cancels the prompt before it ends the
agent, so that the agent can write down where it stopped.

It offers the agent neither files nor terminals: agents bring their own, which work in the same
folder. Messages of the protocol are lines of JSON-RPC on the agent's stdin and stdout.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess  # noqa: TID251 - an agent's parent, not part of the program
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import IO, Any, NoReturn

PROTOCOL = 1
CANCEL_SECONDS = 3
END_SECONDS = 3
KEPT = 300
MAX_TEXT = 60_000

Message = dict[str, Any]


class StoppedError(Exception):
    """Somebody asked us to end."""


class RefusedError(Exception):
    """The agent answered with an error."""

    def __init__(self, error: Message) -> None:
        data = error.get("data")
        details = data.get("details") if isinstance(data, dict) else data
        told = str(error.get("message") or "refused")
        super().__init__(f"{told}: {details}" if details else told)
        self.code = error.get("code")


class GoneError(Exception):
    """The agent's output has ended."""


def emit(event: str, text: str = "", **data: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, "text": text, **data}) + "\n")
    sys.stdout.flush()


class Agent:
    """The agent's process, and what is said to it and by it."""

    def __init__(self, argv: list[str], cwd: str) -> None:
        self.process = subprocess.Popen(
            argv, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.taking: Callable[[Message], None] = lambda _: None
        self.answering: Callable[[str, Message], Message | None] = lambda *_: None
        self._number = 0
        # An agent that talks while it is talked to would block both otherwise.
        self._outgoing: queue.Queue[Message] = queue.Queue()
        threading.Thread(target=self._send, daemon=True).start()

    def _send(self) -> None:
        pipe: IO[bytes] = self.process.stdin  # type: ignore[assignment]
        with suppress(OSError):
            while True:
                pipe.write(json.dumps(self._outgoing.get()).encode() + b"\n")
                pipe.flush()

    def say(self, **message: Any) -> None:
        self._outgoing.put({"jsonrpc": "2.0", **message})

    def notify(self, method: str, **params: Any) -> None:
        self.say(method=method, params=params)

    def ask(self, method: str, **params: Any) -> Message:
        """The answer; meanwhile everything else is taken. Raises `RefusedError`, `GoneError`."""
        self._number += 1
        self.say(id=self._number, method=method, params=params)
        return self.answer_to(self._number)

    def answer_to(self, number: int) -> Message:
        pipe: IO[bytes] = self.process.stdout  # type: ignore[assignment]
        while line := pipe.readline():
            message = read(line)
            if "method" in message:
                self._take(message)
            elif message.get("id") == number:
                if isinstance(error := message.get("error"), dict):
                    raise RefusedError(error)
                result = message.get("result")
                return result if isinstance(result, dict) else {}
        raise GoneError("the agent ended before it answered")

    @property
    def last_asked(self) -> int:
        return self._number

    def _take(self, message: Message) -> None:
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" not in message:
            if message["method"] == "session/update":
                self.taking(params)
            return
        result = self.answering(str(message["method"]), params)
        if result is None:
            error = {"code": -32601, "message": "this client doesn't offer that"}
            self.say(id=message["id"], error=error)
        else:
            self.say(id=message["id"], result=result)

    def ended_with(self) -> int:
        """Its exit code; where a signal killed it, we go the same way."""
        code = self.process.wait(END_SECONDS)
        if code < 0:
            sys.stdout.flush()
            if -code == signal.SIGTERM:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        return code

    def end(self) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        self.process.kill()


def read(line: bytes) -> Message:
    """Nothing for a line that is no object: some agents print other things between."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class Teller:
    """Turns updates of the session into events. Text comes in parts and is told by the line."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.is_silent = False
        """While an earlier session is told again."""
        self.calls: dict[str, Message] = {}
        """What is known of each use of a tool."""
        self.untold: list[str] = []
        """Uses of which no more than a name is known yet."""

    def take(self, params: Message) -> None:
        update = params.get("update")
        if self.is_silent or not isinstance(update, dict):
            return
        kind = update.get("sessionUpdate")
        if kind == "agent_message_chunk":
            self.parts.append(text_of(update.get("content")))
            if "\n" in self.parts[-1] or sum(map(len, self.parts)) > MAX_TEXT:
                self.flush()
            return
        self.flush()
        if kind in {"tool_call", "tool_call_update"}:
            self.tool(update, is_new=kind == "tool_call")
        elif kind == "usage_update":
            self.usage(update)

    def flush(self) -> None:
        text, self.parts = "".join(self.parts), []
        if text:
            emit("text", text, delta=True)

    def end(self) -> None:
        self.flush()
        for call in [*self.untold]:
            self.use(call)

    def tool(self, update: Message, *, is_new: bool) -> None:
        call, status = str(update.get("toolCallId")), update.get("status")
        is_first = call not in self.calls
        known = self.calls.setdefault(call, {})
        known |= {key: update[key] for key in ("title", "kind") if update.get(key)}
        if is_new and status in {None, "pending"} and not update.get("rawInput"):
            self.untold.append(call)  # some say what they do it with only afterwards
        elif is_first or call in self.untold:
            self.use(call)
        if status in {"completed", "failed"}:
            content = update.get("content")
            said = " ".join(text_of(part) for part in content) if isinstance(content, list) else ""
            emit("tool_result", said[:KEPT], call=call, is_error=status == "failed")

    def use(self, call: str) -> None:
        if call in self.untold:
            self.untold.remove(call)
        known = self.calls[call]
        kind = str(known.get("kind") or "other")
        emit("tool_use", str(known.get("title") or kind)[:KEPT], call=call, tool=kind)

    def usage(self, update: Message) -> None:
        cost = update.get("cost")
        amount = cost.get("amount") if isinstance(cost, dict) else None
        if isinstance(amount, int | float) and cost.get("currency") == "USD":  # type: ignore[union-attr]
            # By the protocol that of the whole session, with earlier runs of it.
            emit("usage", f"${amount:.4f}", cost_usd=amount, is_total=True, of_session=True)


def text_of(content: Any) -> str:
    if not isinstance(content, dict):
        return ""
    text = content.get("text")
    return text if isinstance(text, str) else text_of(content.get("content"))


class Session:
    def __init__(self, plan: Message, agent: Agent) -> None:
        self.plan, self.agent = plan, agent
        self.teller = Teller()
        self.name = ""
        self.can: Message = {}
        agent.taking = self.teller.take
        agent.answering = self.answer

    def answer(self, method: str, params: Message) -> Message | None:
        if method != "session/request_permission":
            return None
        call = params.get("toolCall")
        call = call if isinstance(call, dict) else {}
        if "toolCallId" in call:
            self.teller.tool(call, is_new=False)
        kind = str(call.get("kind") or "other")
        is_allowed = self.allows(kind)
        options = [one for one in params.get("options") or () if isinstance(one, dict)]
        wanted = "allow_once" if is_allowed else "reject_once"
        chosen = next((one for one in options if one.get("kind") == wanted), None)
        if not is_allowed:
            emit("denied", f"{kind}: {call.get('title') or 'not allowed'}"[:KEPT], tool=kind)
        if chosen is None:
            return {"outcome": {"outcome": "cancelled"}}
        return {"outcome": {"outcome": "selected", "optionId": chosen.get("optionId")}}

    def allows(self, kind: str) -> bool:
        if kind in self.plan["denied"]:
            return False
        if kind in self.plan["allowed"]:
            return True
        only = self.plan["only"]
        return bool(self.plan["allow"]) and (not only or kind in only)

    def open(self) -> None:
        told = self.agent.ask(
            "initialize",
            protocolVersion=PROTOCOL,
            clientCapabilities={"fs": {"readTextFile": False, "writeTextFile": False}},
            clientInfo={"name": "abathur", "version": "1"},
        )
        if told.get("protocolVersion") != PROTOCOL:
            raise RefusedError(
                {
                    "message": f"the agent speaks version {told.get('protocolVersion')} of the"
                    f" protocol, and this is {PROTOCOL}; take a version of it that speaks that"
                }
            )
        self.can = told.get("agentCapabilities") or {}
        about = told.get("agentInfo") or {}
        opened = self.resumed() if self.plan["resume"] else self.begun()
        version = str(about.get("version") or "")
        name = f"{about.get('title') or about.get('name') or self.plan['argv'][0]} {version}"
        emit("started", name.strip(), session_id=self.name, version=version)
        self.choose(opened)

    def place(self) -> Message:
        return {"cwd": self.plan["cwd"], "mcpServers": [*self.servers()]}

    def servers(self) -> list[Message]:
        found = []
        for server in self.plan["servers"]:
            if server["url"]:
                headers = pairs(server["headers"])
                found.append(
                    {
                        "type": "http",
                        "name": server["name"],
                        "url": server["url"],
                        "headers": headers,
                    }
                )
            else:
                command, *args = server["command"] or [""]
                found.append(
                    {
                        "name": server["name"],
                        "command": command,
                        "args": args,
                        "env": pairs(server["env"]),
                    }
                )
        return found

    def begun(self) -> Message:
        opened = self.agent.ask("session/new", **self.place())
        self.name = str(opened.get("sessionId"))
        return opened

    def resumed(self) -> Message:
        self.name = self.plan["resume"]
        sessions = self.can.get("sessionCapabilities") or {}
        if "resume" in sessions:
            method = "session/resume"
        elif self.can.get("loadSession"):
            method = "session/load"
        else:
            not_resumed("the agent can't go on with a session")
        self.teller.is_silent = True
        try:
            return self.agent.ask(method, sessionId=self.name, **self.place())
        except RefusedError as error:
            not_resumed(str(error))
        finally:
            self.teller.is_silent = False

    def choose(self, opened: Message) -> None:
        """Model and mode, where the agent lets them be chosen."""
        if self.plan["mode"]:
            self.agent.ask("session/set_mode", sessionId=self.name, modeId=self.plan["mode"])
        if self.plan["model"]:
            self.choose_model(opened, str(self.plan["model"]))

    def choose_model(self, opened: Message, model: str) -> None:
        for option in opened.get("configOptions") or ():
            if isinstance(option, dict) and option.get("category") == "model":
                self.agent.ask(
                    "session/set_config_option",
                    sessionId=self.name,
                    configId=option.get("id"),
                    value=model,
                )
                return
        if not isinstance(opened.get("models"), dict):
            emit("warning", "the agent doesn't let its model be chosen; it takes its own")
            return
        self.agent.ask("session/set_model", sessionId=self.name, modelId=model)

    def prompt(self) -> None:
        block = {"type": "text", "text": self.plan["prompt"]}
        told = self.agent.ask("session/prompt", sessionId=self.name, prompt=[block])
        self.teller.end()
        self.tokens(told.get("usage"))
        reason = str(told.get("stopReason"))
        is_ok = reason == "end_turn"
        emit("end", "completed" if is_ok else f"the agent stopped: {reason}", ok=is_ok)

    def tokens(self, usage: Any) -> None:
        if isinstance(usage, dict):
            emit(
                "usage",
                input_tokens=usage.get("inputTokens"),
                output_tokens=usage.get("outputTokens"),
                cache_read_tokens=usage.get("cachedReadTokens"),
                cache_write_tokens=usage.get("cachedWriteTokens"),
                is_total=True,
            )

    def cancel(self) -> None:
        """Let the agent bring its turn to an end; what it does then is told like the rest."""
        signal.signal(signal.SIGALRM, stop)
        signal.alarm(CANCEL_SECONDS)
        with suppress(StoppedError, RefusedError, GoneError):
            self.agent.notify("session/cancel", sessionId=self.name)
            self.agent.answer_to(self.agent.last_asked)
        signal.alarm(0)
        self.teller.end()


def pairs(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def not_resumed(why: str) -> NoReturn:
    emit("end", why, ok=False, is_not_resumed=True)
    sys.exit(1)


def stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise StoppedError


def main() -> int:
    plan = json.load(sys.stdin)
    signal.signal(signal.SIGTERM, stop)
    agent = Agent(plan["argv"], plan["cwd"])
    session = Session(plan, agent)
    try:
        session.open()
        session.prompt()
    except StoppedError:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        session.cancel()
        return 143
    except RefusedError as error:
        session.teller.end()
        emit("end", str(error), ok=False, message=str(error))
        return 1
    except GoneError as error:
        session.teller.end()
        sys.stderr.write(f"{error}\n")
        return agent.ended_with()
    finally:
        agent.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
