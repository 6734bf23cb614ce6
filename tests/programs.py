"""The real programs of others that tests run; `python3 dev test` installs them."""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

# Looked at once: tests run without variables of ours.
_FOLDER: Final = Path(
    os.environ.get("ABATHUR_AGENT_PROGRAMS") or Path(__file__).parents[1] / ".tools" / "npm"
)
# The binaries themselves: the scripts beside them need a Node that isn't needed to run. That is for
# what is written for Node, in a version that is new enough.
_PLACES: Final = {
    "claude": "@anthropic-ai/claude-code-*/claude",
    "codex": "@openai/codex-*/vendor/*/bin/codex",
    "codex-bwrap": "@openai/codex-*/vendor/*/codex-resources/bwrap",
    "gemini": "@google/gemini-cli/bundle/gemini.js",
    "opencode": "opencode-linux-*/bin/opencode",
    "conformance": "@modelcontextprotocol/conformance/dist/index.js",
    "inspector": "@modelcontextprotocol/inspector/clients/launcher/build/index.js",
    "node": "node-*-*/bin/node",
}
_AIDER: Final = _FOLDER / "aider" / "bin" / "aider"
"""Large, so it is fetched by a job of its own."""


def program(name: str) -> Path | None:
    """Of those that are pinned, the pinned one only; of others what is on PATH."""
    if name == "aider" and _AIDER.exists():
        return _AIDER
    if name in _PLACES:
        return next(iter(sorted((_FOLDER / "node_modules").glob(_PLACES[name]))), None)
    found = shutil.which(name)
    return Path(found) if found else None


def needs(name: str) -> pytest.MarkDecorator:
    """Skips loudly where the program isn't to be had."""
    remedy = f"run `python3 dev {'test' if name in _PLACES else name}`"
    return pytest.mark.skipif(
        program(name) is None,
        reason=f"{name} isn't there: what it really does is NOT checked here; {remedy}",
    )
