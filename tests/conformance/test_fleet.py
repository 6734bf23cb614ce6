"""A dozen processes of every kind on one file for some seconds: nothing fails, nothing is lost."""

from pathlib import Path

import pytest

from benchmarks import fleet


@pytest.mark.timeout(240)
def test_a_fleet_on_one_file_loses_nothing(tmp_path: Path) -> None:
    told = fleet.run(tmp_path / "project", processes=12, seconds=6)
    assert {one.role for one in told} == set(fleet.ROLES)
    assert all(one.operations for one in told)
