"""The page about runtimes says what the code does."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from abathur.infrastructure.runtimes import load_runtime, runtime_names
from abathur.infrastructure.runtimes.support import SUPPORT, told
from abathur.swarm.continuing import can_resume

FOLDER = Path(__file__).parents[3] / "docs" / "reference"
TEXT = (FOLDER / "runtimes.md").read_text(encoding="utf-8")
MATRIX = (FOLDER / "runtime-matrix.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("runtime", ["acp", "agy", "aider", "codex", "gemini", "opencode"])
def test_every_setting_of_a_runtime_is_on_its_page(runtime: str) -> None:
    module = import_module(f"abathur.infrastructure.runtimes.{runtime}")
    block = (module.__doc__ or "").partition("Settings:\n")[2]
    keys = set(re.findall(r"^  ([a-z_]+)  ", block, re.MULTILINE)) - {"program"}
    section = TEXT.partition(f"\n## {runtime}\n")[2].partition("\n## ")[0]
    assert keys
    assert {key for key in keys if f"`{key}`" not in section} == set()


@pytest.mark.parametrize("runtime", sorted(SUPPORT))
def test_the_page_names_the_versions_that_are_known(runtime: str) -> None:
    assert f" {SUPPORT[runtime].version} |" in MATRIX


def test_every_runtime_of_ours_has_its_column() -> None:
    assert [name for name in runtime_names() if f" `{name}` |" not in MATRIX] == []


@pytest.mark.parametrize("runtime", sorted(SUPPORT))
def test_what_is_said_of_sessions_is_what_the_swarm_goes_by(runtime: str) -> None:
    assert can_resume(load_runtime(runtime)) is SUPPORT[runtime].resumes


def test_doctor_is_told_how_sure_it_is() -> None:
    assert told("claude", "2.1.330") == "(tested with this version)"
    assert told("gemini", "0.62.0") == "(tested with 0.61.0; without effort)"
    assert told("agy", "1.2.17").startswith("(never tested: written from the documentation of 1.2;")
    assert told("command", "1") == ""
