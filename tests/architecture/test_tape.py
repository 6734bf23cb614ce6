"""The raw limit of the benchmarks writes what was recorded: all of it, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from abathur.infrastructure.database.codecs import time_text
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.engines.sqlite_binding import stored
from benchmarks import tape

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
INSERT = "INSERT INTO notes VALUES (?)"
UPDATE = "WITH new AS (SELECT 'b' AS said) UPDATE notes SET said = (SELECT said FROM new)"


def test_each_transaction_is_recorded_with_all_that_it_writes(tmp_path: Path) -> None:
    with tape.recording() as recorder:
        cursor = connect(str(tmp_path / "queue.db"), busy_timeout=0).cursor()
        cursor.execute("CREATE TABLE notes (said TEXT)")
        recorder.taken()
        cursor.convert_binding = stored
        for sql in ("BEGIN IMMEDIATE", "SELECT 1", UPDATE, "COMMIT", "BEGIN"):
            cursor.execute(sql).fetchall()
        cursor.execute(INSERT, (NOON,))
        cursor.execute("COMMIT")
        recorded = recorder.taken()
    assert recorded == [[(UPDATE, [])], [(INSERT, [time_text(NOON)])]]
