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


def test_tests_that_pass_beside_a_check_that_fails_are_a_failure(
    dev: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """And what the check says is told in one piece, though both write at once."""
    found = "echo somewhere.py:1: wrong; echo hint >&2; exit 1"
    monkeypatch.setattr(dev, "BIN", Path("/bin"))
    monkeypatch.setattr(dev, "prepare", lambda *_: None)
    monkeypatch.setattr(dev, "run", lambda *command: 0)
    monkeypatch.setattr(dev, "CHECKS", (("sh", "-c", "exit 0"), ("sh", "-c", found)))
    assert dev.test(()) == 1
    told = capfd.readouterr().err
    assert "somewhere.py:1: wrong\nhint\n" in told
    assert told.endswith(f"dev: failed: sh -c {found}; what it says is above\n")
    assert "exit 0" not in told


def test_tests_that_fail_are_a_failure_though_the_checks_pass(
    dev: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "prepare", lambda *_: None)
    monkeypatch.setattr(dev, "run", lambda *command: 3)
    monkeypatch.setattr(dev, "CHECKS", ())
    assert dev.test(()) == 3
