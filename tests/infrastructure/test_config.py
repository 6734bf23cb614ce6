"""Where settings come from, which wins, and how each mistake is told."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import ConfigError
from abathur.domain.settings import CommandSetting, Settings
from abathur.infrastructure.config import Config, default_config_text, load_config, load_settings
from abathur.infrastructure.config_database import configured_database


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "home" / ".abathur").mkdir(parents=True)
    (tmp_path / "project" / ".abathur").mkdir(parents=True)
    return tmp_path / "project"


def user(project: Path, text: str) -> None:
    (project.parent / "home" / ".abathur" / "config.yaml").write_text(text)


def ours(project: Path, text: str) -> None:
    (project / ".abathur" / "config.yaml").write_text(text)


def local(project: Path, text: str) -> None:
    (project / ".abathur" / "local.yaml").write_text(text)


def config(project: Path, env: dict[str, str] | None = None, **overrides: Any) -> Config:
    home = {"HOME": str(project.parent / "home")}
    return load_config(project, {**home, **(env or {})}, overrides)


def load(project: Path, env: dict[str, str] | None = None, **overrides: Any) -> Settings:
    return config(project, env, **overrides).settings


def test_without_any_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "nowhere", {}, {}) == Settings()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "swarm:\n", "runtimes:\nagents:\n"])
def test_empty_files_and_sections_are_fine(project: Path, text: str) -> None:
    ours(project, text)
    assert load(project) == Settings()


def test_later_places_win(project: Path) -> None:
    user(project, "swarm: {max_agents: 1, poll: 1, grace: 1, lease: 1}\ntarget_branch: u")
    assert load(project).swarm.max_agents == 1
    ours(project, "swarm: {max_agents: 2, poll: 2, grace: 2}")
    assert load(project).swarm.max_agents == 2
    local(project, "swarm: {max_agents: 3, poll: 3}")
    assert load(project).swarm.max_agents == 3
    env = {"ABATHUR_MAX_AGENTS": "4"}
    assert load(project, env).swarm.max_agents == 4
    settings = load(project, env, **{"swarm.max_agents": 5})
    assert settings.swarm.max_agents == 5
    swarm = settings.swarm
    assert (swarm.poll_seconds, swarm.grace_seconds, swarm.lease_seconds) == (3, 2, 1)
    assert settings.target_branch == "u"


def test_sources_name_the_place(project: Path) -> None:
    ours(project, "swarm: {lease: 5m}\nruntimes: {claude: {model: opus}}")
    env = {"ABATHUR_RUNTIME": "fake"}
    sources = load(project, env, target_branch="dev").sources
    file = str(project / ".abathur" / "config.yaml")
    assert sources == {
        "swarm.lease_seconds": file,
        "runtimes.claude.model": file,
        "default_runtime": "environment variable ABATHUR_RUNTIME",
        "target_branch": "flags",
    }


def test_the_users_file_is_read_once_when_the_project_is_the_home(project: Path) -> None:
    ours(project, "queue: {max_size: 3}")
    assert len(load_config(project, {"HOME": str(project)}, {}).notes) == 1


def test_runtime_and_agent_sections_are_merged_deep(project: Path) -> None:
    user(project, "runtimes: {claude: {model: opus, env: {A: 1, B: 1}, allowed_tools: [x]}}")
    ours(project, "runtimes: {claude: {env: {B: 2}, allowed_tools: [y]}, command: {argv: [z]}}")
    assert load(project).runtimes == {
        "claude": {"model": "opus", "env": {"A": 1, "B": 2}, "allowed_tools": ["y"]},
        "command": {"argv": ["z"]},
    }


def test_an_empty_value_goes_back_to_the_default(project: Path) -> None:
    ours(project, "verify: make test\nswarm: {max_agents: 9}\nagents: {a: {model: opus}}")
    local(project, "verify:\nswarm: {max_agents: }\nagents: {a: }")
    assert load(project) == Settings()


def test_overrides_may_be_dotted_or_nested_and_none_means_not_given(project: Path) -> None:
    overrides: dict[str, Any] = {
        "swarm": {"max_agents": 7},
        "swarm.poll": None,
        "retry.max_rework": 0,
        "agents.reviewer": {"model": "opus"},
        "target_branch": None,
    }
    ours(project, "target_branch: kept")
    settings = load(project, **overrides)
    assert settings.swarm.max_agents == 7
    assert settings.retry.max_rework == 0
    assert settings.agents == {"reviewer": {"model": "opus"}}
    assert settings.target_branch == "kept"


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("500MB", 500_000_000), ("1.5 gb", 1_500_000_000), ("7B", 7), ("2KB", 2000)],
)
def test_sizes(project: Path, text: str, size: int) -> None:
    ours(project, f"disk: {{min_free: {text}}}")
    assert load(project).disk.min_free == size


@pytest.mark.parametrize("text", ["many", "true", "-1", "5MBB", "1e9", "'1 000'", "[1]"])
def test_what_is_no_size_is_refused(project: Path, text: str) -> None:
    ours(project, f"disk: {{min_free: {text}}}")
    with pytest.raises(ConfigError, match=r"disk\.min_free: a size like"):
        load(project)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30),
        ("0.5", 0.5),
        ("30s", 30),
        ("'5m'", 300),
        ("1h", 3600),
        ("250ms", 0.25),
        ("1d", 86_400),
    ],
)
def test_durations(project: Path, text: str, seconds: float) -> None:
    ours(project, f"retry: {{initial: {text}}}")
    assert load(project).retry.initial_seconds == seconds


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("make test", CommandSetting(argv=("sh", "-c", "make test"))),
        ("[make, -j, 4]", CommandSetting(argv=("make", "-j", "4"))),
        (
            "{command: make test, timeout: 30m}",
            CommandSetting(argv=("sh", "-c", "make test"), timeout_seconds=1800),
        ),
        ("{argv: [a, b], timeout: 5}", CommandSetting(argv=("a", "b"), timeout_seconds=5)),
    ],
)
@pytest.mark.parametrize("key", ["verify", "setup"])
def test_commands(project: Path, key: str, text: str, setting: CommandSetting) -> None:
    ours(project, f"{key}: {text}")
    assert getattr(load(project), key) == setting


@pytest.mark.parametrize(
    ("env", "read"),
    [
        ({"ABATHUR_TARGET_BRANCH": "dev"}, lambda c: c.settings.target_branch == "dev"),
        ({"ABATHUR_RUNTIME": "fake"}, lambda c: c.settings.default_runtime == "fake"),
        ({"ABATHUR_LOG_LEVEL": "debug"}, lambda c: c.settings.log_level == "DEBUG"),
        ({"ABATHUR_MAX_CONCURRENT_AGENTS": "7"}, lambda c: c.settings.swarm.max_agents == 7),
        (
            {"ABATHUR_MAX_CONCURRENT_AGENTS": "7", "ABATHUR_MAX_AGENTS": "8"},
            lambda c: c.settings.swarm.max_agents == 8,
        ),
        ({"ABATHUR_MAX_AGENTS": " "}, lambda c: c.settings.swarm.max_agents == 4),
        (
            {"ABATHUR_TASK_ID": "x", "ABATHUR_MAX_ITERATIONS": "x"},
            lambda c: c == Config(settings=Settings()),
        ),
    ],
)
def test_variables(project: Path, env: dict[str, str], read: Any) -> None:
    assert read(config(project, env))


# --- the older version's files ------------------------------------------------------------

OLDER = """\
version: "0.1.0"
log_level: WARNING
template_repos: [{url: "https://example.org/t.git", version: main}]
queue: {max_size: 1000, default_priority: 5, retry_attempts: 3, retry_backoff_initial: "20s",
  retry_backoff_max: "10m"}
swarm: {max_concurrent_agents: 6, agent_spawn_timeout: "5s", agent_idle_timeout: "5m",
  hierarchical_depth_limit: 3}
loop: {max_iterations: 10, default_timeout: "1h", checkpoint_interval: 1}
resources: {max_memory_per_agent: "512MB", max_total_memory: "4GB", adaptive_cpu: true}
monitoring: {log_rotation_days: 30, audit_retention_days: 90, metrics_enabled: true}
auth: {mode: auto, context_window_handling: warn}
"""


def test_a_file_of_the_older_version_is_understood(project: Path) -> None:
    ours(project, OLDER)
    read = config(project)
    assert read.settings.swarm.max_agents == 6
    assert read.settings.retry.initial_seconds == 20
    assert read.settings.retry.max_seconds == 600
    assert read.settings.log_level == "WARNING"
    told = {match[1] for note in read.notes if (match := re.search(r"`(.+)` is of an older", note))}
    assert {"version", "template_repos", "queue.max_size", "loop", "auth"} <= told
    assert "swarm.max_concurrent_agents" not in told


@pytest.mark.parametrize(
    "text",
    [
        "swarm: {max_concurrent_agents: 6, max_agents: 2}",
        "swarm: {max_agents: 2, max_concurrent_agents: 6}",
    ],
)
def test_the_present_name_wins_over_the_older_one(project: Path, text: str) -> None:
    ours(project, text)
    assert load(project).swarm.max_agents == 2


def test_the_present_section_wins_over_the_older_one(project: Path) -> None:
    ours(project, "retry: {initial: 1}\nqueue: {retry_backoff_initial: 20s}")
    assert load(project).retry.initial_seconds == 1


# --- mistakes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("verfy: x", "1: verfy: this key is unknown; did you mean `verify`?"),
        (
            "\nswarm:\n  max_agnts: 3",
            "3: swarm.max_agnts: this key is unknown; did you mean `swarm.max_agents`?",
        ),
        ("max_agents: 3", "1: max_agents: this key is unknown; did you mean `swarm.max_agents`?"),
        ("zzz: 3", "1: zzz: this key is unknown; remove it"),
        ("1: 3", "1: 1: this key is unknown; remove it"),
        ("swarm: 3", "1: swarm: a section with keys of its own is expected"),
        ("a\n", "1: keys with values are expected, like `default_runtime: claude`"),
        (
            "swarm:\n  poll: 1\n  max_agents: many",
            "3: swarm.max_agents: a whole number from 1 to 1000 is expected, not 'many'",
        ),
        (
            "swarm: {max_agents: 0}",
            "1: swarm.max_agents: a whole number from 1 to 1000 is expected, not 0",
        ),
        (
            "swarm: {max_agents: true}",
            "1: swarm.max_agents: a whole number from 1 to 1000 is expected, not True",
        ),
        (
            "swarm:\n  lease: soon",
            '2: swarm.lease: a time like 30, "30s", "5m" or "1h" is expected, not \'soon\'',
        ),
        ("swarm: {lease: 0}", "at least 1 seconds and at most a year, not 0"),
        ("swarm: {keep_finished_worktrees: 2}", "true or false is expected, not 2"),
        ("swarm: {pass_env: [1]}", "swarm.pass_env: a list of names is expected, not [1]"),
        ("retry: {jitter: 2}", "1: retry.jitter: a number from 0 to 1 is expected, not 2"),
        ("target_branch: [a]", "1: target_branch: a text is expected, not ['a']"),
        (
            "log_level: loud",
            "1: log_level: one of DEBUG, INFO, WARNING, ERROR, CRITICAL is expected, not 'loud'",
        ),
        ("verify: []", "1: verify: a command is expected: a text for the shell, or a list like"),
        ("verify: {argv: [a], shell: b}", "1: verify: either `command` or `argv` is expected"),
        ("verify: {argv: [a], timeout: x}", "1: verify: timeout: a time like"),
        (
            "runtimes:\n  claude: 3",
            "2: runtimes.claude: a section with keys of its own is expected",
        ),
        ("agents: [a]", "1: agents: a section with keys of its own is expected"),
        ("swarm:\n  a: [", "3: not valid YAML"),
        ("swarm:\n\tpoll: 1", "2: not valid YAML"),
        (
            "target_branch: a\ntarget_branch: b",
            "2: not valid YAML: `target_branch` stands here twice",
        ),
        ("target_branch: 2024-13-45", "1: not readable as YAML: month must be in 1..12"),
        ("target_branch: !!python/none x", "1: not valid YAML: could not determine a constructor"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_its_place(
    project: Path, text: str, message: str
) -> None:
    ours(project, text)
    with pytest.raises(ConfigError) as error:
        load(project)
    told = str(error.value)
    assert told.startswith(f"{project / '.abathur' / 'config.yaml'}:")
    assert message in told
    assert "\n" not in told


def test_a_mistake_in_a_variable_names_it(project: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^environment variable ABATHUR_MAX_AGENTS: a whole number from 1"
    ):
        load(project, {"ABATHUR_MAX_AGENTS": "x"})


def test_a_mistake_in_an_override_names_it(project: Path) -> None:
    with pytest.raises(ConfigError, match=r"^flags: swarm\.max_agents: a whole number"):
        load_settings(project, {}, {"swarm.max_agents": 0})


def test_text_that_is_not_utf_8_is_refused(project: Path) -> None:
    (project / ".abathur" / "config.yaml").write_bytes(b"target_branch: \xff")
    with pytest.raises(ConfigError, match="isn't UTF-8 text; save it as UTF-8"):
        load(project)


def test_a_folder_in_the_files_place_is_refused(project: Path) -> None:
    (project / ".abathur" / "config.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"config\.yaml: can't be read: Is a directory"):
        load(project)


# --- the file that is written at the beginning --------------------------------------------


def test_the_written_file_changes_nothing(project: Path) -> None:
    ours(project, default_config_text())
    assert load(project) == Settings()


def test_the_written_file_loads_with_all_keys_uncommented(project: Path) -> None:
    ours(project, re.sub(r"(?m)^# ", "", default_config_text()))
    settings = load(project)
    assert settings.swarm == Settings().swarm.__class__(pass_env=("CI", "NPM_*"))
    assert settings.retry == Settings().retry
    assert settings.verify == CommandSetting(argv=("sh", "-c", "make test"), timeout_seconds=1800)
    assert set(settings.runtimes) == {"claude", "command"}
    assert settings.agents["reviewer"]["runtime"] == "claude"


def test_the_written_file_names_every_setting(project: Path) -> None:
    ours(project, re.sub(r"(?m)^# ", "", default_config_text()))
    sections = {"swarm", "landing", "retry", "limits", "budget", "review", "notices", "silence"}
    sections |= {"memory", "disk", "mcp", "traces"}
    known = set(Settings.__dataclass_fields__) - sections - {"runtimes", "agents", "sources"}
    for section in sections:
        fields = type(getattr(Settings(), section)).__dataclass_fields__
        known |= {f"{section}.{name}" for name in fields}
    assert known <= set(load(project).sources)


def test_yaml_is_loaded_only_when_there_is_a_file(project: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from abathur.infrastructure.config import *;"
        "load_settings(Path(sys.argv[1]), {}, {}); sys.exit('yaml' in sys.modules)"
    )
    run = [sys.executable, "-c", code, str(project)]
    assert subprocess.run(run, check=False).returncode == 0
    ours(project, "target_branch: main")
    assert subprocess.run(run, check=False).returncode == 1


@pytest.mark.parametrize(
    "text",
    [
        "database: other.db\n",
        "{database: other.db}\n",
        '{"log_level": "INFO", "database": "other.db"}\n',
        "{log_level: INFO,\n database: other.db}\n",
    ],
)
def test_a_database_is_found_however_the_file_writes_it(project: Path, text: str) -> None:
    assert configured_database(project, {}) is None
    ours(project, "log_level: INFO\nnotices: {desktop: true}\n")
    assert configured_database(project, {}) is None
    ours(project, text)
    found = configured_database(project, {})
    assert isinstance(found, Settings)
    assert found.database == "other.db"
