"""Who does the work in the demo: scripted agents, or real programs with a scripted or real model.

What a scripted model says is made from the steps that the backlog has for scripted agents, so that
all of them write the same program, meet in the same place and make the same mistake.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from abathur.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from abathur.bootstrap.scripted_model import Conversation, ModelServer, ToolCall, Turn
    from abathur.domain.plans import Plan, PlannedTask

FAKE: Final = "fake"
RUNTIMES: Final = (FAKE, "claude", "codex", "anthropic", "openai")
SHELLS: Final = {"codex": "exec_command"}
"""How a program calls its shell; the others know it as Claude Code does."""
SCRIPTED_MODELS: Final = {
    "claude": "claude-opus-5-5",
    "codex": "gpt-5.5-codex",
    "anthropic": "claude-opus-5-5",
    "openai": "gpt-5.5",
}
NEEDING_MODEL: Final = frozenset({"anthropic", "codex", "openai"})
"""Those that have none of their own."""
REAL_TIMEOUT_SECONDS: Final = 900
END_OF_FILE: Final = "END_OF_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    runtime: str = FAKE
    is_real: bool = False
    """The model is that of the person's account."""
    model: str | None = None

    @classmethod
    def made(cls, runtime: str, is_real: bool, model: str | None) -> Cast:
        """Raises `InvalidInputError`."""
        if runtime == FAKE and (is_real or model):
            raise InvalidInputError(
                "--real and --model are for real agents; name one with --runtime"
            )
        if is_real and runtime in NEEDING_MODEL and not model:
            raise InvalidInputError(
                f"--real: name the model that {runtime} is to ask, like "
                f"`--model {SCRIPTED_MODELS[runtime]}`"
            )
        if model and not is_real:
            raise InvalidInputError("--model is for --real; the scripted model is any")
        return cls(runtime=runtime, is_real=is_real, model=model)

    @property
    def longest_seconds(self) -> int:
        """Scripted agents take fifteen; after this something hangs."""
        return 3600 if self.is_real else 120 if self.runtime == FAKE else 600

    @property
    def tells(self) -> str:
        if self.runtime == FAKE:
            return "They follow scripts, so this needs no account and no network."
        if self.is_real:
            return f"They are real ({self.runtime}): this spends money or the allowance of yours."
        return f"They are real ({self.runtime}), but the model that they ask follows a script."

    def serving(self, backlog: Plan) -> AbstractContextManager[ModelServer | None]:
        if self.runtime == FAKE or self.is_real:
            return nullcontext()
        from abathur.bootstrap.scripted_model import ModelServer, Script

        talks = tuple(talk_of(name, task, self.runtime) for name, task in backlog.tasks.items())
        return ModelServer(Script(name="the demo's script", conversations=talks))

    def settings(self, server: ModelServer | None) -> Mapping[str, object]:
        """What is put over the repository's configuration."""
        section: dict[str, object] = {"model": self.model} if self.model else {}
        if server is not None:
            section = {"model": SCRIPTED_MODELS[self.runtime], **_pointed(self.runtime, server.url)}
        over: dict[str, object] = {"default_runtime": self.runtime}
        return {**over, "runtimes": {self.runtime: section}} if self.runtime != FAKE else over

    def backlog(self, given: Plan) -> Plan:
        """Real agents get the prompts, and not what scripted ones would do."""
        if self.runtime == FAKE:
            return given
        tasks = {name: self.given_task(task) for name, task in given.tasks.items()}
        return replace(given, tasks=tasks)

    def given_task(self, task: PlannedTask) -> PlannedTask:
        seconds = task.new.max_execution_timeout_seconds
        longest = REAL_TIMEOUT_SECONDS if self.is_real else max(seconds, 120)
        new = replace(task.new, input_data={}, max_execution_timeout_seconds=longest)
        return replace(task, new=new)


def _pointed(runtime: str, url: str) -> dict[str, object]:
    """Settings that let the program ask our model."""
    if runtime in {"claude", "anthropic"}:
        return {"env": {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "scripted"}}
    section: dict[str, object] = {"base_url": f"{url}/v1", "env": {"OPENAI_API_KEY": "scripted"}}
    return section | ({"protocol": "responses"} if runtime == "openai" else {})


# --- from steps to what a model says ------------------------------------------------------


def talk_of(name: str, task: PlannedTask, runtime: str) -> Conversation:
    """Its attempts one after another: each begins where the one before ended."""
    from abathur.bootstrap.scripted_model import Conversation, Ending, Match

    script: Any = task.new.input_data["script"]
    attempts = list(script.values()) if isinstance(script, Mapping) else [script]
    turns = tuple(turn for steps in attempts for turn in _turns(steps, runtime))
    when = Match(prompt=(task.new.prompt,))
    return Conversation(name=name, when=when, turns=turns, then=Ending.STOP, shared=True)


def _turns(steps: Sequence[Mapping[str, Any]], runtime: str) -> Iterator[Turn]:
    from abathur.bootstrap.scripted_model import Meeting, Turn

    waiting, said = Turn(), "Done."
    for step in steps:
        ((kind, given),) = step.items()
        match kind:
            case "sleep":
                waiting = replace(waiting, wait=waiting.wait + float(given))
            case "say":
                waiting = replace(waiting, texts=(str(given),))
            case "wait_for":
                waiting = replace(waiting, after=Meeting(Path(given).name, 1))
            case "commit":
                said = str(given)
            case "touch":
                pass  # that it was asked is seen by the server
            case _:
                first, *others = _calls(kind, given, runtime)
                yield replace(waiting, tools=(first,))
                yield from (Turn(tools=(call,)) for call in others)
                waiting = Turn()
    yield replace(waiting, texts=(*waiting.texts, f"{said}."))


def _calls(kind: str, given: Any, runtime: str) -> Iterator[ToolCall]:
    from abathur.bootstrap.scripted_model import ToolCall

    if kind == "run":
        yield _shell(shlex.join(given), runtime)
        return
    path, text = str(given["path"]), str(given.get("text", ""))
    if kind == "append" or (runtime in SHELLS and kind == "write"):
        arrow = ">>" if kind == "append" else ">"
        here = f"cat {arrow} {shlex.quote(path)} <<'{END_OF_FILE}'\n{text}{END_OF_FILE}"
        yield _shell(here, runtime)
    elif runtime in SHELLS:
        yield _shell(_replacing(path, str(given["old"]), str(given["new"])), runtime)
    else:
        # Claude Code changes no file that it hasn't read.
        yield ToolCall("Read", {"file_path": path})
        if kind == "write":
            yield ToolCall("Write", {"file_path": path, "content": text})
        else:
            old, new = str(given["old"]), str(given["new"])
            change = {"file_path": path, "old_string": old, "new_string": new}
            yield ToolCall("Edit", change)


def _replacing(path: str, old: str, new: str) -> str:
    code = (
        f"import pathlib; p = pathlib.Path({path!r}); t = p.read_text();"
        f" assert {old!r} in t; p.write_text(t.replace({old!r}, {new!r}))"
    )
    return shlex.join([sys.executable, "-I", "-c", code])


def _shell(command: str, runtime: str) -> ToolCall:
    from abathur.bootstrap.scripted_model import ToolCall

    if runtime in SHELLS:
        return ToolCall(SHELLS[runtime], {"cmd": command})
    return ToolCall("Bash", {"command": command, "description": "Work in the repository"})
