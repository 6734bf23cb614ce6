"""The jobs of `dev`, as far as no other test runs them."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script as a module; the programs of others are in the test's own folder."""
    loader = SourceFileLoader("dev", str(Path(__file__).parents[2] / "dev"))
    spec = spec_from_loader("dev", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    monkeypatch.setattr(module, "agent_programs", lambda: tmp_path)
    monkeypatch.setattr(module, "install_agents", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    return module


def test_a_demo_with_a_program_that_nobody_installed_takes_that_of_the_tests(
    dev: Any, tmp_path: Path
) -> None:
    place = tmp_path / "node_modules/@anthropic-ai/claude-code-linux-x64"
    place.mkdir(parents=True)
    (place / "claude").touch()
    assert dev.pinned_places(["--runtime", "claude"]) == [str(place)]
    assert dev.pinned_places(["--runtime=claude", "--keep"]) == [str(place)]
    assert dev.pinned_places(["--runtime", "codex"]) == []
    assert dev.pinned_places([]) == []


def test_a_demo_takes_the_persons_own_program(
    dev: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "claude").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dev, "install_agents", lambda: pytest.fail("nothing is to be installed"))
    assert dev.pinned_places(["--runtime", "claude"]) == []
