"""Where things lie: the project's folder and the person's. The only reader of HOME."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = ".abathur"
CONFIG_NAME: Final = "config.yaml"
LOCAL_CONFIG_NAME: Final = "local.yaml"


def user_config_file(env: Mapping[str, str]) -> Path | None:
    """The person's own settings for all projects; None when there is no home to look in."""
    home = env.get("HOME", "")
    return Path(home, FOLDER, CONFIG_NAME) if home.startswith("/") else None


def state_folder(env: Mapping[str, str]) -> Path | None:
    """What the person has said and isn't configuration; None when there is no home."""
    given, home = env.get("XDG_STATE_HOME", ""), env.get("HOME", "")
    if given.startswith("/"):
        return Path(given, "abathur")
    return Path(home, ".local", "state", "abathur") if home.startswith("/") else None


def project_folder(root: Path) -> Path:
    return root / FOLDER


def project_config_file(root: Path) -> Path:
    return project_folder(root) / CONFIG_NAME


def local_config_file(root: Path) -> Path:
    """Settings of one clone: never committed."""
    return project_folder(root) / LOCAL_CONFIG_NAME


def templates_folder(root: Path) -> Path:
    """The project's own templates of prompts."""
    return project_folder(root) / "templates"


def run_folder(root: Path, task_id: str, attempt: int) -> Path:
    """What one attempt leaves: its transcript, and its scratch folder while it runs."""
    return project_folder(root) / "runs" / task_id / str(attempt)


def agent_folders(root: Path) -> tuple[Path, ...]:
    """Where agent definitions are looked for; the later folder wins."""
    return (root / ".claude" / "agents", project_folder(root) / "agents")
