"""The runtimes by name. Only the module that is asked for is imported."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from abathur.domain.errors import AgentUnavailableError
from abathur.ports.runtimes import AgentRuntime

GROUP: Final = "abathur.runtimes"
"""Other packages register here a class or function that makes an `AgentRuntime` without arguments.

A name of our own can't be taken over.
"""

_OWN: Final = {
    "acp": ("abathur.infrastructure.runtimes.acp", "AcpRuntime"),
    "agy": ("abathur.infrastructure.runtimes.agy", "AgyRuntime"),
    "aider": ("abathur.infrastructure.runtimes.aider", "AiderRuntime"),
    "anthropic": ("abathur.infrastructure.runtimes.anthropic", "AnthropicRuntime"),
    "claude": ("abathur.infrastructure.runtimes.claude", "ClaudeRuntime"),
    "codex": ("abathur.infrastructure.runtimes.codex", "CodexRuntime"),
    "command": ("abathur.infrastructure.runtimes.command", "CommandRuntime"),
    "gemini": ("abathur.infrastructure.runtimes.gemini", "GeminiRuntime"),
    "opencode": ("abathur.infrastructure.runtimes.opencode", "OpencodeRuntime"),
    "fake": ("abathur.infrastructure.runtimes.fake", "FakeRuntime"),
    "openai": ("abathur.infrastructure.runtimes.openai", "OpenaiRuntime"),
}


def runtime_names() -> tuple[str, ...]:
    return tuple(sorted({*_OWN, *entry_points(group=GROUP).names}))


def load_runtime(name: str) -> AgentRuntime:
    """Raises `AgentUnavailableError` for an unknown name and for one that can't be imported."""
    if name in _OWN:
        module, maker = _OWN[name]
        runtime: AgentRuntime = getattr(import_module(module), maker)()
        return runtime
    found = tuple(entry_points(group=GROUP, name=name))
    if not found:
        known = ", ".join(runtime_names())
        raise AgentUnavailableError(f"runtime `{name}` doesn't exist; the known ones are: {known}")
    return _made_by(found[0])


def _made_by(entry: EntryPoint) -> AgentRuntime:
    try:
        maker: Callable[[], AgentRuntime] = entry.load()
        return maker()
    except Exception as error:  # foreign code: whatever it raises, the answer is the same
        package = entry.dist.name if entry.dist else entry.value
        raise AgentUnavailableError(
            f"runtime `{entry.name}` of {package} can't be loaded: {error}; fix or remove it"
        ) from error
