"""Which files of a repository can make us run something, and the person's word about them.

The word is kept in the person's own state folder, by the path of the repository: nothing that
comes with a clone can bring it along.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import ConfigError, RefusedError
from abathur.domain.redaction import Redactor
from abathur.domain.trust import Source
from abathur.infrastructure import paths
from abathur.infrastructure.definitions import definition_files, read_definition
from abathur.infrastructure.project_templates.sources import is_built_in

VARIABLE: Final = "ABATHUR_TRUST"
"""Folders whose repositories need no asking, as in `PATH`: for machines that build and test."""

# Keys that choose among what is there already. Whatever isn't named here has to be asked for.
HARMLESS: Final = frozenset(
    {
        "default_runtime",
        "limits",
        "models",
        "silence",
        "log_level",
        "log_format",
        "log_max_mb",
        "log_kept",
        "retry",
        "target_branch",
        *(f"swarm.{key}" for key in ("max_agents", "keep_finished_worktrees")),
        *(f"swarm.{key}" for key in ("lease", "heartbeat", "grace", "poll")),
        *(f"swarm.{key}_seconds" for key in ("lease", "heartbeat", "grace", "poll")),
        *(f"agents.*.{key}" for key in ("runtime", "model", "models", "model_rule", "description")),
        *(
            f"{section}.*.{key}"
            for section in ("agents", "runtimes")
            for key in ("model", "effort", "max_turns", "max_budget_usd")
        ),
        # What `init` itself writes; the gates are only named here.
        *(f"targets.*.{key}" for key in ("allow", "strategy", "gates")),
    }
)
_DESCRIBING: Final = frozenset({"name", "description", "color", "model"})
_OUR_SERVERS: Final = frozenset({"abathur", "abathur-task-queue", "abathur-memory"})
"""Names under which agents get our own servers, whatever the file says."""
_SHOWN: Final = 300


def sources(root: Path, env: Mapping[str, str]) -> Sequence[Source]:
    """The files that say something which could be run; none for a fresh `abathur init`."""
    return [
        *_configurations(root, env),
        *_definitions(root),
        *_agent_settings(root),
        *_templates(root),
        *_servers(root),
        *_skills(root),
    ]


def _skills(root: Path) -> Iterator[Source]:
    """Instructions and scripts that Claude Code offers to its agents."""
    folder = root / ".claude" / "skills"
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.is_file() and (data := _bytes(file)) is not None:
            yield Source(_name(root, file), _digest(data), (f"a skill with {len(data)} bytes",))


def _templates(root: Path) -> Iterator[Source]:
    """They run nothing, but they are what agents are told to do."""
    for file in sorted(paths.templates_folder(root).glob("*.j2")):
        if (data := _bytes(file)) is not None:
            says = f"a template of prompts with {len(data)} bytes"
            yield Source(_name(root, file), _digest(data), (says,))


def _configurations(root: Path, env: Mapping[str, str]) -> Iterator[Source]:
    person = paths.user_config_file(env)
    for file in (paths.project_config_file(root), paths.local_config_file(root)):
        if file == person or (data := _bytes(file)) is None:
            continue
        content = _parsed(data, str(file))
        told = dict(_telling(content)) if isinstance(content, Mapping) else {"": content}
        if told and content is not None:
            says = tuple(_line(name, value) for name, value in told.items())
            yield Source(_name(root, file), _digest(_json(told).encode()), says)


def _telling(content: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of all keys that aren't harmless."""
    for key, value in content.items():
        name, pattern = f"{above}{key}", f"{above}{key}"
        parts = pattern.split(".")
        if len(parts) > 1 and parts[0] in {"agents", "runtimes", "targets"}:
            pattern = ".".join([parts[0], "*", *parts[2:]])
        if pattern in HARMLESS or value is None:
            continue
        depth = {"swarm": 1, "agents": 2, "runtimes": 2, "targets": 2}.get(parts[0], 0)
        if isinstance(value, Mapping) and len(parts) <= depth:
            yield from _telling(value, f"{name}.")
        else:
            yield name, value


def _parsed(data: bytes, shown: str) -> Any:
    from abathur.infrastructure.yaml_text import parse_yaml

    try:
        return parse_yaml(data.decode("utf-8-sig"), shown)
    except (ConfigError, UnicodeDecodeError):
        # Nothing will be run by it either, but what it will be when it is put right?
        return "it can't be read"


def _definitions(root: Path) -> Iterator[Source]:
    for folder in paths.agent_folders(root):
        for file in definition_files(folder):
            with suppress(ConfigError):
                made = read_definition(file, _name(root, file), folder)
                if made is None or is_built_in(_name(root, file), _bytes(file) or b""):
                    continue
                extras = {"runtime": made.runtime, "tools": list(made.tools), **made.extras}
                told = {key: value for key, value in extras.items() if value}
                says = [_line(key, value) for key, value in told.items() if key not in _DESCRIBING]
                prompt = f"agent type `{made.name}` with {len(made.system_prompt)} characters"
                digest = _digest((_bytes(file) or b"") + (made.version or "").encode())
                yield Source(_name(root, file), digest, (prompt, *says))


def _agent_settings(root: Path) -> Iterator[Source]:
    """Claude Code's own: it runs hooks, and asks nobody when it works without a terminal."""
    for name in ("settings.json", "settings.local.json"):
        file = root / ".claude" / name
        if (data := _bytes(file)) is None:
            continue
        with suppress(ValueError):
            content = json.loads(data)
            told = content if isinstance(content, dict) else {"": content}
            if not content:
                continue
            says = tuple(_line(str(key), value) for key, value in told.items())
            yield Source(_name(root, file), _digest(data), says)


def _servers(root: Path) -> Iterator[Source]:
    """Programs and addresses that agents are handed as servers of tools. Ours are none of them."""
    file = root / ".mcp.json"
    if (data := _bytes(file)) is None:
        return
    try:
        content = json.loads(data.decode("utf-8-sig"))
        servers = content["mcpServers"]
        told = {f"mcpServers.{name}": servers[name] for name in servers if name not in _OUR_SERVERS}
    except (ValueError, LookupError, TypeError):
        told = {"": "it can't be read"}
    if told:
        says = tuple(_line(name, value) for name, value in told.items())
        yield Source(_name(root, file), _digest(_json(told).encode()), says)


def _bytes(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _name(root: Path, file: Path) -> str:
    return str(file.relative_to(root))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)


def _line(name: str, value: object) -> str:
    """For eyes and for the person's state folder: secrets are masked, the digest knows them."""
    text = value if isinstance(value, str) else _json(value)
    shown = Redactor().text(f"{name}: {text}" if name else text)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


class TrustedRepositories:
    """The person's word, a file for each repository. Written whole or not at all."""

    def __init__(self, env: Mapping[str, str]) -> None:
        folder = paths.state_folder(env)
        self._folder = folder / "trust" if folder else None
        self._without_asking = tuple(
            Path(item).resolve() for item in env.get(VARIABLE, "").split(os.pathsep) if item
        )

    def needs_no_word(self, root: Path) -> bool:
        return any(root.resolve().is_relative_to(place) for place in self._without_asking)

    def trusted(self, root: Path) -> Mapping[str, Source]:
        """Nothing when the file isn't there, isn't ours alone to write, or is damaged."""
        file = self.file(root)
        if file is None or not _is_private(file):
            return {}
        try:
            content = json.loads(file.read_bytes())
            found = [Source(f["path"], f["digest"], tuple(f["says"])) for f in content["files"]]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return {one.path: one for one in found} if content.get("root") == _key(root) else {}

    def trust(self, root: Path, found: Sequence[Source], now: datetime) -> None:
        """Raises `OSError`, and `RefusedError` when there is no home to keep it in."""
        file = self.file(root)
        if file is None:
            raise RefusedError("there is no home folder to keep your word in; set HOME")
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {
            "root": _key(root),
            "trusted_at": now.isoformat(),
            "files": [asdict(one) for one in found],
        }
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(json.dumps(content, indent=2))
            stream.flush()
            os.fsync(descriptor)
        fresh.replace(file)

    def forget(self, root: Path) -> bool:
        """Whether there was anything to forget."""
        file = self.file(root)
        if file is None or not file.exists():
            return False
        file.unlink()
        return True

    def file(self, root: Path) -> Path | None:
        """Where the word about a repository is kept; None when there is no place for it."""
        return self._folder / f"{_digest(_key(root).encode())[:32]}.json" if self._folder else None


def _key(root: Path) -> str:
    return os.fsencode(root.resolve()).decode(errors="backslashreplace")


def _is_private(file: Path) -> bool:
    try:
        found = file.stat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & 0o022
