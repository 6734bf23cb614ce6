"""The page about runtimes says what the code does."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from abathur.infrastructure.runtimes.support import SUPPORT, told

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "runtimes.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("runtime", ["acp", "aider", "codex", "gemini", "opencode"])
def test_every_setting_of_a_runtime_is_on_its_page(runtime: str) -> None:
    module = import_module(f"abathur.infrastructure.runtimes.{runtime}")
    block = (module.__doc__ or "").partition("Settings:\n")[2]
    keys = set(re.findall(r"^  ([a-z_]+)  ", block, re.MULTILINE)) - {"program"}
    section = TEXT.partition(f"\n## {runtime}\n")[2].partition("\n## ")[0]
    assert keys
    assert {key for key in keys if f"`{key}`" not in section} == set()


@pytest.mark.parametrize("runtime", sorted(SUPPORT))
def test_the_page_names_the_versions_that_are_known(runtime: str) -> None:
    assert f" {SUPPORT[runtime].version} |" in TEXT


def test_doctor_is_told_how_sure_it_is() -> None:
    assert told("codex", "0.169.0") == "(tested with this version)"
    assert told("codex", "0.170.0") == "(tested with 0.169.0)"
    assert told("gemini", None) == "(recorded with 0.61.0)"
    assert told("command", "1") == ""
