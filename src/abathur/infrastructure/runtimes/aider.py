"""aider, headless. It tells no events: what it prints is read line by line.

It ends with 0 whatever happened, and has no final word. What proves an answer is the line that
tells its tokens; what comes after it as an error takes that back.

Settings:
  program   the program (`aider`)
  model     required, here or by the agent type, as litellm names it: `openai/gpt-5.5`
  base_url  of a server that speaks OpenAI's chat completions
  files     files that it is shown from the beginning
  args, env, pass_env
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from abathur.domain.runs import Command, EventKind, Exit, Outcome, RunEvent, RunSpec
from abathur.infrastructure.runtimes import starting, verdicts
from abathur.infrastructure.runtimes.output import one_line
from abathur.infrastructure.runtimes.sections import Section

_KEYS: Final = (
    *("ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY", "GEMINI_API_KEY", "OPENAI_API_BASE"),
    *("OPENAI_API_KEY", "OPENROUTER_API_KEY"),
)
_FLAGS: Final = (
    *("--yes-always", "--no-check-update", "--analytics-disable", "--no-show-release-notes"),
    *("--no-stream", "--no-pretty", "--no-show-model-warnings", "--no-detect-urls"),
    # What it leaves uncommitted is committed for it, and nothing of its own goes into the tree.
    *("--no-auto-commits", "--no-dirty-commits", "--no-gitignore", "--map-tokens", "0"),
    "--no-suggest-shell-commands",
)
_REFUSED_ARGS: Final = {
    **dict.fromkeys(("-m", "--message", "--msg", "-f", "--message-file", "--apply", "--gui"), ""),
    **dict.fromkeys(("--auto-commits", "--stream", "--pretty", "-h", "--help", "--version"), ""),
    "--model": "model",
    "--reasoning-effort": "effort",
    "--file": "files",
}
DENIABLE: Final = ("Bash", "Edit", "WebFetch", "Write")
"""It runs no commands and fetches no pages as it is started here."""

_STARTED: Final = re.compile(r"Aider v(\d\S*)")
_TOKENS: Final = re.compile(
    r"Tokens: ([\d.,]+)(k|M)? sent,(?: [^,]*cache[^,]*,)* ([\d.,]+)(k|M)? received\."
    r"(?: Cost: \$([\d.]+) message)?"
)
_ERROR: Final = re.compile(
    r"litellm\.\w+(?:Error|Exception)|Only \d+ reflections allowed|Model \S+ has hit a token limit"
)
_RETRY: Final = re.compile(r"Retrying in [\d.]+ seconds")
_EDIT: Final = re.compile(r"Applied edit to (.+)")
_UNITS: Final = {"": 1, "k": 1_000, "M": 1_000_000}


class AiderRuntime:
    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @property
    def name(self) -> str:
        return "aider"

    def command(self, spec: RunSpec) -> Command:
        section = Section(self.name, spec.settings)
        starting.refuse_unknown_denials(spec, DENIABLE, section)
        remedy = "install aider (pip install aider-chat) or set runtimes.aider.program"
        program = starting.program(section, "aider", self._environ, remedy)
        message = spec.scratch / "message.md"
        url = section.text("base_url")
        return Command(
            argv=(program, *_flags(spec, section, message)),
            env={**({"OPENAI_API_BASE": url} if url else {}), **section.env()},
            pass_env=(*_KEYS, *section.words("pass_env")),
            files={message: starting.prompt(spec, spec.system_prompt).decode()},
        )

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        text = one_line(line)
        if not text:
            return ()
        if found := _TOKENS.search(text):
            return (_usage(found), RunEvent(EventKind.END, text, {"ok": True}))
        if found := _STARTED.match(text):
            return (RunEvent(EventKind.STARTED, text, {"version": found[1]}),)
        if found := _EDIT.match(text):
            return (RunEvent(EventKind.TOOL_USE, f"edit {found[1]}", {"tool": "edit"}),)
        if _RETRY.match(text):
            return (RunEvent(EventKind.WARNING, text, {"status": "retry"}),)
        if _ERROR.match(text):
            return (RunEvent(EventKind.END, text, {"ok": False, "message": text}),)
        return (verdicts.said(line.rstrip()),)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        return verdicts.judged(end, events, verdicts.summed(events))


def _flags(spec: RunSpec, section: Section, message: Path) -> tuple[str, ...]:
    flags = ["--model", starting.model(spec, section, "openai/gpt-5.5"), *_FLAGS]
    for kind in ("input", "chat", "llm"):
        flags += [f"--{kind}-history-file", str(spec.scratch / f"{kind}.history")]
    if spec.effort:
        flags += ["--reasoning-effort", spec.effort]
    if not starting.edits(spec):
        flags += ["--chat-mode", "ask"]
    files = [item for file in section.names("files") for item in ("--file", file)]
    return (
        *flags,
        *starting.further(section, _REFUSED_ARGS),
        *files,
        "--message-file",
        str(message),
    )


def _usage(found: re.Match[str]) -> RunEvent:
    sent, received = (_count(found[n], found[n + 1]) for n in (1, 3))
    cost = float(found[5]) if found[5] and found[5].count(".") < 2 else None
    data = {"input_tokens": sent, "output_tokens": received, "cost_usd": cost}
    return RunEvent(EventKind.USAGE, "" if cost is None else f"${cost:.4f}", data)


def _count(digits: str, unit: str | None) -> int | None:
    """As rounded as it tells them."""
    try:
        return round(float(digits.replace(",", "").rstrip(".")) * _UNITS[unit or ""])
    except ValueError:
        return None
