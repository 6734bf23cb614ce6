"""Which SQLite libraries and which file systems can be trusted with a file that many write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from abathur.domain.errors import DatabaseError
from abathur.infrastructure.database.engines import sqlite

FIXED: Final = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
"""The first releases of their lines in which a reset of the log can't damage the file."""

MOUNTS: Final = Path("/proc/self/mountinfo")
OVERRIDE: Final = "ABATHUR_ALLOW_NETWORK_DISK"

# Their clients share neither memory nor, often, locks. The last ones are disks that a virtual
# machine shares with its host. Unions (overlay) and local FUSE file systems are none of them.
NETWORK: Final = frozenset(
    {
        "nfs",
        "nfs3",
        "nfs4",
        "cifs",
        "smb2",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "coda",
        "ceph",
        "glusterfs",
        "lustre",
        "beegfs",
        "fuse.sshfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.gcsfuse",
        "fuse.goofys",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.ceph-fuse",
        "fuse.davfs",
        "fuse.gvfsd-fuse",
        "fuse.curlftpfs",
        "fuse.juicefs",
        "9p",
        "drvfs",
        "vboxsf",
        "vmhgfs",
        "fuse.vmhgfs-fuse",
        "prl_fs",
    }
)


def version_problem(version: str) -> str | None:
    """Why this release of SQLite can't be trusted, None when it can."""
    found = tuple(int(part) for part in version.split(".") if part.isdecimal())
    if found >= FIXED[-1] or any(found >= good and found[:2] == good[:2] for good in FIXED):
        return None
    return f"SQLite {version} can damage a file that several processes write"


def refuse_library() -> None:
    problem = version_problem(sqlite.VERSION)
    if problem is not None:
        raise DatabaseError(f"{problem}; install `apsw` 3.51.3 or newer")


def refuse_network(folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Raises `DatabaseError` for a folder on a network disk, unless the environment allows it.

    What isn't known is allowed: other systems than Linux, and mounts that can't be read.
    """
    kind = file_system(folder)
    if kind in NETWORK and not environment.get(OVERRIDE):
        raise DatabaseError(
            f"`{folder}` is on a network disk ({kind}), where a database of several processes "
            f"gets damaged; name a file on a local disk with --db (or set {OVERRIDE}=1 if only "
            "this machine ever uses it)"
        )


def file_system(folder: Path) -> str | None:
    """The kind of file system that a folder is on, as `mount` names it; None when unknown."""
    try:
        device = folder.stat().st_dev
        mounts = list(_mounts(MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")))
    except OSError:
        return None
    number = f"{os.major(device)}:{os.minor(device)}"
    by_device = [kind for found, _, kind in mounts if found == number]
    # Some file systems give folders numbers of their own; then the place decides.
    by_place = [(len(place), kind) for _, place, kind in mounts if _is_below(folder, place)]
    return by_device[-1] if by_device else max(by_place, default=(0, None))[1]


def _mounts(text: str) -> Iterator[tuple[str, str, str]]:
    """Device number, place and kind of each."""
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        if dash:
            _, _, number, _, place, *_ = before.split(" ")
            yield number, place.replace("\\040", " "), after.split(" ")[0]


def _is_below(folder: Path, place: str) -> bool:
    return folder == Path(place) or Path(place) in folder.parents
