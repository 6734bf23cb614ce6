"""`abathur dev model` as a person or a test starts it."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from abathur.cli.main import call
from tests.contract.test_json_shapes import problems_of


def test_a_model_is_served_until_it_is_told_to_end(tmp_path: Path) -> None:
    script, record = tmp_path / "script.yaml", tmp_path / "requests.jsonl"
    script.write_text("turns: [{text: hello}, {status: 529}]\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "abathur", "dev", "model", str(script), "--json"]
    with subprocess.Popen(
        [*command, "--record", str(record)],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as server:
        assert server.stdout is not None
        line = server.stdout.readline().decode()
        assert problems_of({"dev model": line}) == []
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
        with urllib.request.urlopen(json.loads(line)["url"] + "/v1/messages", body) as answer:
            assert json.load(answer)["content"] == [{"type": "text", "text": "hello"}]
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=30)
    assert (server.returncode, out) == (0, b"")
    assert err.decode() == "messages m: conversation `all`, turn 1 -> 200\n"
    (recorded,) = map(json.loads, record.read_text().splitlines())
    assert (recorded["model"], recorded["turn"], recorded["status"]) == ("m", 1, 200)
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def test_mistakes_in_a_script_are_told_and_nothing_is_served(tmp_path: Path, capsys: Any) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("turns:\n- {txt: hello}\n- {wait: -1}\n")
    assert call(["dev", "model", str(script)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"abathur: {script}:2: txt: there is no such field; did you mean `text`?",
        f"abathur: {script}:3: wait: seconds from 0 to 86400, or `forever`, are needed",
    ]
