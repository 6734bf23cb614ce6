"""The spool on a real disk: whole or absent, and what is neither is set aside."""

import json
import os
from pathlib import Path

import pytest

from abathur.domain.errors import InvalidInputError, SpoolError
from abathur.infrastructure.spool import FolderSpool
from abathur.services.reports import unpacked


async def names(spool: FolderSpool) -> list[str]:
    return [entry.name for entry in (await spool.read()).entries]


async def test_what_is_put_is_read_until_it_is_removed(tmp_path: Path) -> None:
    spool = FolderSpool(tmp_path / "spool")
    assert (await spool.read()).entries == ()
    await spool.put("a.1.2", {"text": "größe \udcff"})
    await spool.put("a.1.2", {"text": "again"})
    (entry,) = (await FolderSpool(tmp_path / "spool").read()).entries
    assert (entry.name, entry.content) == ("a.1.2", {"text": "again"})
    for _ in range(2):
        await spool.remove("a.1.2")
    assert await names(spool) == []
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"x", b"0" * 64 + b"\n{}", b"\xff\n[1]"])
async def test_a_corrupt_entry_is_set_aside_and_the_others_are_read(
    tmp_path: Path, damage: bytes
) -> None:
    spool = FolderSpool(tmp_path)
    await spool.put("bad", {})
    await spool.put("good", {})
    (tmp_path / "bad.report").write_bytes(damage)
    found = await spool.read()
    assert [entry.name for entry in found.entries] == ["good"]
    assert "bad.report.corrupt" in found.set_aside[0]
    assert (tmp_path / "bad.report.corrupt").read_bytes() == damage
    assert (await spool.read()).set_aside == []


async def test_a_half_written_entry_is_set_aside_when_its_writer_is_gone(tmp_path: Path) -> None:
    spool = FolderSpool(tmp_path)
    gone = 2**22 + 1  # more than any pid
    (tmp_path / f"a.{gone}.partial").write_text("half")
    (tmp_path / f"b.{os.getpid()}.partial").write_text("in the making")
    (told,) = (await spool.read()).set_aside
    assert "half-written" in told
    assert (tmp_path / f"a.{gone}.partial.half-written").read_text() == "half"
    assert (tmp_path / f"b.{os.getpid()}.partial").exists()


async def test_setting_aside_never_replaces(tmp_path: Path) -> None:
    spool = FolderSpool(tmp_path)
    for number in (1, 2):
        await spool.put("a", {"number": number})
        assert "a.report.refused" in await spool.set_aside("a", "why")
    kept = [json.loads(path.read_bytes().split(b"\n")[1]) for path in sorted(tmp_path.iterdir())]
    assert kept == [{"number": 1}, {"number": 2}]


async def test_a_place_that_takes_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("")
    with pytest.raises(SpoolError, match="can't write the report"):
        await FolderSpool(tmp_path / "spool").put("a", {})


@pytest.mark.parametrize("content", [{}, {"format": 2}, {"format": 1}, {"format": 1, "holder": 3}])
def test_what_is_no_report_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        unpacked(content)
