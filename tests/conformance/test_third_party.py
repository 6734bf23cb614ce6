"""The trail can be checked by other people's code: what the documentation prints, run as it is."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.services import verifying

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

OpenQueue = Callable[[Database], "Queue"]

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "audit-trail.md"
PROGRAM = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]


def check(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_the_documented_program_agrees_and_sees_a_change(
    open_queue: OpenQueue, tmp_path: Path
) -> None:
    path = tmp_path / "queue.db"
    async with Database(path) as db:
        queue = open_queue(db)
        await queue.prepare()
        await queue.submit(await queue.submit(prompt="Größe"), input_data={"ß": "\0\n,1:"})
        await queue.complete_next()
        await queue.submit()
        verified = await queue.read(verifying.verify)
    assert verified.anchor is not None
    agreed = check(path)
    assert (agreed.stdout.strip(), agreed.stderr) == (verified.anchor.digest, "")
    with closing(connect(str(path), busy_timeout=10)) as raw:
        raw.execute("DROP TRIGGER audit_is_never_changed")
        raw.execute("UPDATE audit SET actor = 'cli:eve' WHERE id = 2")
    assert "AssertionError" in check(path).stderr
