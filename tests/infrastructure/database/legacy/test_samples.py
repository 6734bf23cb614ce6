"""Databases that older versions really wrote, in the folder that a variable names.

They aren't part of the repository: `ABATHUR_LEGACY_SAMPLES=FOLDER pytest ...`. Beside each
`NAME.db` stands a `NAME.json` with the number of rows of each table (`row_counts`) and the rows.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.infrastructure.database.legacy.conftest import Converted
from tests.infrastructure.database.legacy.found import lost
from tests.infrastructure.database.legacy.older import contents

FOLDER = os.environ.get("ABATHUR_LEGACY_SAMPLES")
SAMPLES = sorted(Path(FOLDER).glob("*.db")) if FOLDER else []


@pytest.mark.skipif(not FOLDER, reason="ABATHUR_LEGACY_SAMPLES names no folder of older databases")
def test_there_are_samples() -> None:
    assert SAMPLES


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_every_row_of_a_sample_is_found_again(sample: Path, path: Path) -> None:
    shutil.copyfile(sample, path)
    expected = json.loads(sample.with_suffix(".json").read_text(encoding="utf-8"))
    older = contents(path)
    counts = {table: n for table, n in expected["row_counts"].items() if isinstance(n, int)}
    assert {table: len(older[table]) for table in counts} == counts
    converted = Converted(path)
    assert converted.problems == []
    assert lost(older, converted.tables) == []
    assert contents(converted.original) == older
