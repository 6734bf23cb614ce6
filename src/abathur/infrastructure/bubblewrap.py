"""Confining a program with bubblewrap: what it sees of the disk, of processes and of the network.

Everything is read-only, except what is named as writable. Homes, temporary files and sockets of
services are hidden; what is needed of them is shown read-only. Other processes don't exist.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import abathur
from abathur.domain.errors import ProcessError
from abathur.domain.sandbox import Confinement

PROGRAM: Final = "bwrap"
HIDDEN: Final = tuple(
    map(Path, ("/home", "/root", "/run", "/tmp", "/var/tmp", "/mnt", "/media", "/srv"))
)
"""Other people's files, and sockets of services that act for whoever asks."""
_NAMESPACES: Final = (
    *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts"),
    "--unshare-cgroup-try",
)
# Of who writes these the kernel asks the user's id, not rights that a namespace takes away: root
# could write them, and `core_pattern` among them names a program that runs outside.
_KERNEL: Final = tuple(
    word
    for name in ("sys", "sysrq-trigger", "irq", "bus", "acpi", "fs", "scsi", "mtrr", "pressure")
    for word in ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")
)
_NAME_SERVICE: Final = Path("/run/systemd/resolve")
MISSING: Final = (
    "a sandbox is configured, but `bwrap` isn't on PATH; install bubblewrap, or set `sandbox: off`"
)


def find_program() -> str:
    """Raises `ProcessError`: what shall be confined never runs unconfined."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise ProcessError(MISSING)
    return program


def probe() -> tuple[str, ...]:
    """A command that succeeds where programs can be confined. Raises `ProcessError`."""
    places = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *_KERNEL)
    return (find_program(), *_NAMESPACES, *places, "true")


def confined(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], confinement: Confinement
) -> tuple[str, ...]:
    """The command line that runs `argv` confined. Raises `ProcessError`."""
    home = Path(env.get("HOME") or "/nonexistent")
    hidden = _outermost(
        path for path in (*HIDDEN, home, *confinement.hidden) if _is_real_folder(path)
    )
    seen = [*_needed(env, home), *confinement.readable]
    mounts = [
        *((path, "--ro-bind") for path in seen if _is_below(path, hidden)),
        *((path, "--bind") for path in confinement.writable),
    ]
    # A folder before what is in it, or it would cover that; what is locked lies over all.
    ordered = sorted(mounts, key=lambda mount: (len(mount[0].parts), mount[1] == "--bind"))
    ordered += [(path, "--ro-bind") for path in confinement.locked]
    flags = [*_NAMESPACES, *(() if confinement.network else ("--unshare-net",))]
    flags += ["--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    flags += _KERNEL
    for folder in hidden:
        flags += ["--tmpfs", str(folder)]
    if _is_below(home, hidden):
        flags += ["--dir", str(home)]
    for path, kind in ordered:
        if path.exists():
            flags += [kind, str(path), str(path)]
    return (find_program(), *flags, "--chdir", str(cwd), "--", *argv)


def _needed(env: Mapping[str, str], home: Path) -> Iterator[Path]:
    """What programs of the person need of hidden folders: themselves, and git's settings."""
    yield from (home / ".gitconfig", home / ".config" / "git", _NAME_SERVICE)
    yield from (Path(sys.base_prefix), Path(sys.prefix), Path(abathur.__file__).parent)
    for entry in env.get("PATH", "").split(os.pathsep):
        folder = Path(entry)
        if not entry or not folder.is_absolute() or not folder.is_dir():
            continue
        prefix = folder.parent
        is_environment = (prefix / "pyvenv.cfg").is_file()
        is_installation = (prefix / "lib").is_dir() and (prefix / "include").is_dir()
        yield prefix if is_environment or is_installation else folder


def _is_real_folder(path: Path) -> bool:
    return path.is_absolute() and path != Path("/") and path.is_dir() and not path.is_symlink()


def _outermost(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in sorted(set(paths), key=lambda one: len(one.parts)):
        if not _is_below(path, found):
            found.append(path)
    return found


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path != folder and path.is_relative_to(folder) for folder in folders)
