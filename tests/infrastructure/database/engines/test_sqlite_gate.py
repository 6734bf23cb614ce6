"""Libraries and disks that a shared file can't be trusted to."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from abathur.domain.errors import DatabaseError
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines import sqlite, sqlite_gate


@pytest.mark.parametrize("version", ["3.44.6", "3.44.9", "3.50.7", "3.51.3", "3.52.0", "4.0.0"])
def test_releases_that_are_fixed(version: str) -> None:
    assert sqlite_gate.version_problem(version) is None


@pytest.mark.parametrize("version", ["3.7.0", "3.44.5", "3.45.9", "3.50.6", "3.51.2", "3.40.1"])
async def test_releases_that_damage_files_are_refused_before_they_touch_one(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "VERSION", version)
    with pytest.raises(DatabaseError, match=rf"SQLite {version} can damage.*install `apsw`"):
        await Database(tmp_path / "queue.db").initialize()
    assert list(tmp_path.iterdir()) == []
    # No other process reaches this one.
    async with Database(":memory:") as db:
        assert await db.check() == []


Mount = Callable[[str], None]


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mount:
    """Has the kernel's table say that the test's folder is on a file system of that kind."""
    table = tmp_path / "mountinfo"
    monkeypatch.setattr(sqlite_gate, "MOUNTS", table)
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"

    def mount(kind: str) -> None:
        table.write_text(
            "22 1 0:21 / /proc rw,nosuid shared:5 - proc proc rw\n"
            f"31 1 {number} / / rw,relatime shared:1 master:2 - {kind} server:/export rw\n"
            "33 31 0:99 / /run rw - tmpfs tmpfs rw\n"
        )

    return mount


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph"])
async def test_a_network_disk_is_refused(kind: str, mounted: Mount, tmp_path: Path) -> None:
    mounted(kind)
    place = tmp_path / "queue"
    with pytest.raises(DatabaseError, match=rf"network disk \({kind}\).*local disk"):
        await Database(place / "queue.db").initialize()
    assert list(place.iterdir()) == []


async def test_a_network_disk_that_is_allowed_is_used(
    mounted: Mount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted("nfs4")
    monkeypatch.setenv(sqlite_gate.OVERRIDE, "1")
    async with Database(tmp_path / "queue.db") as db:
        assert await db.check() == []


@pytest.mark.parametrize(
    "kind", ["ext4", "overlay", "btrfs", "xfs", "zfs", "tmpfs", "fuseblk", "fuse", "fuse.mergerfs"]
)
async def test_local_disks_and_unions_of_them_are_used(
    kind: str, mounted: Mount, tmp_path: Path
) -> None:
    mounted(kind)
    async with Database(tmp_path / "queue.db") as db:
        assert await db.check() == []


def test_the_place_decides_where_the_device_has_no_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mountinfo"
    monkeypatch.setattr(sqlite_gate, "MOUNTS", table)
    table.write_text(
        "1 0 0:1 / / rw - ext4 /dev/a rw\n"
        f"2 1 0:2 / {tmp_path} rw - btrfs /dev/b rw\n"
        f"3 1 0:3 / {tmp_path}-other rw - nfs server:/x rw\n"
    )
    assert sqlite_gate.file_system(tmp_path) == "btrfs"
    table.unlink()
    assert sqlite_gate.file_system(tmp_path) is None


def test_this_folder_is_on_a_disk_that_is_known(tmp_path: Path) -> None:
    if not sqlite_gate.MOUNTS.exists():
        pytest.skip("only Linux tells")
    assert sqlite_gate.file_system(tmp_path)
