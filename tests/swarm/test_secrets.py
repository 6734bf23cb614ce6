"""An agent that tells all it knows: nothing of it is on the disk or in the queue afterwards."""

import base64
import json
from pathlib import Path

import pytest

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.domain.tasks import TaskStatus
from tests.swarm.conftest import World

SECRET = 'S3cr3t/+&"quoted" valüe'
TOKEN = "plain0token1value2"
LEAK = """
import base64, json, os, sys, urllib.parse
for value in (os.environ["MY_API_KEY"], os.environ["OTHER_TOKEN"]):
    raw = value.encode()
    for text in (value, json.dumps({"v": value}), urllib.parse.quote(value, safe=""), raw.hex(),
                 base64.b64encode(raw).decode(), base64.b64encode(b"u:" + raw).decode(),
                 value[:7] + chr(10) + value[7:]):
        print(text); print(text, file=sys.stderr)
        sys.stdout.flush()
    for letter in value:
        sys.stdout.write(letter); sys.stdout.flush()
    print()
print(json.dumps({"result": os.environ["OTHER_TOKEN"]}))
print("-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", sep=chr(10))
print("-----END PRIVATE KEY-----")
sys.stderr.write("it failed with " + os.environ["MY_API_KEY"] + " and " + os.environ["OTHER_TOKEN"])
sys.exit(1)
"""


@pytest.mark.parametrize("where", ["agent", "setup", "verify"])
async def test_no_secret_is_in_any_file_or_row_after_a_run_that_prints_it(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    monkeypatch.setenv("MY_API_KEY", SECRET)
    monkeypatch.setenv("OTHER_TOKEN", TOKEN)
    script = tmp_path / "leak.py"
    script.write_text(LEAK)
    leak = ["python3", str(script)]
    writes = ["sh", "-c", "echo done > a"]
    world.configure(
        default_runtime="command",
        runtimes={"command": {"argv": leak if where == "agent" else writes, "prompt": "none"}},
        swarm={"pass_env": ["MY_API_KEY", "OTHER_TOKEN"]},
        retry={"initial_seconds": 0.05, "max_seconds": 0.2, "max_rework": 0},
        log_level="DEBUG",
        **({where: leak} if where != "agent" else {}),
    )
    task = await world.submit("Leak", max_retries=0)
    project = bootstrap.load_project(world.root)
    going_by = supervision.configuration_of(project)
    with supervision.logging_sink(project, world.events.append, going_by) as sink:
        supervisor = await supervision.build_supervisor(project, world.db, sink)
        await supervisor.run(until_idle=True)
    assert (await world.task(task)).status is TaskStatus.FAILED
    await world.db.close()
    told = [repr((event.text, event.data)).encode() for event in world.events]
    files = [path for path in (world.root / ".abathur").rglob("*") if path.is_file()]
    assert any("leak" in path.read_text(errors="replace").lower() for path in files)
    for content in (*told, *map(Path.read_bytes, files)):
        for form in forms():
            assert form not in content
            assert form not in content.replace(b"\n", b"").replace(b"\\n", b"")
    assert any(b"[REDACTED]" in path.read_bytes() for path in files)


def forms() -> list[bytes]:
    values = [SECRET, TOKEN]
    raw = [value.encode() for value in values]
    return [
        *raw,
        *(json.dumps(value)[1:-1].encode() for value in values),
        *(value.hex().encode() for value in raw),
        *(base64.b64encode(value)[:-3] for value in raw),
        b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    ]
