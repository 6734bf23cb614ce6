"""What a sandbox is asked for, and what it lets through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

BUBBLEWRAP: Final = "bubblewrap"
OFF: Final = "off"
_KEYS: Final = frozenset({"kind", "network", "writable", "readable"})
_SWITCH: Final[Mapping[object, bool]] = {True: True, False: False, "on": True, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSetting:
    kind: str = BUBBLEWRAP
    network: bool = True
    writable: tuple[str, ...] = ()
    """Paths besides the worktree, as they stand in the configuration."""
    readable: tuple[str, ...] = ()
    """Paths in folders that are hidden otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What a confined program can do. All paths are absolute."""

    network: bool
    hidden: tuple[Path, ...]
    """Folders of which nothing is seen but what the next two name."""
    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    locked: tuple[Path, ...]
    """What can't be written although the folder around it can."""


def sandbox(value: object) -> SandboxSetting | None:
    """Of a value of the configuration; None when it is switched off. Raises `ValueError`."""
    if isinstance(value, str | bool):
        value = {"kind": OFF if value is False else value}
    if not isinstance(value, Mapping) or not _KEYS.issuperset(value):
        raise ValueError("`bubblewrap`, `off`, or a section of kind, network, writable, readable")
    kind = value.get("kind", BUBBLEWRAP)
    if kind in (OFF, False):
        return None
    if kind != BUBBLEWRAP:
        raise ValueError("kind: `bubblewrap` or `off` is expected")
    network = value.get("network", True)
    if isinstance(network, Sequence | Mapping) and not isinstance(network, str):
        raise ValueError("network: `on` or `off` is expected")
    if network not in _SWITCH:
        raise ValueError("network: `on` or `off` is expected")
    return SandboxSetting(
        network=_SWITCH[network],
        writable=_paths("writable", value.get("writable")),
        readable=_paths("readable", value.get("readable")),
    )


def sandbox_for(general: SandboxSetting | None, own: Any) -> SandboxSetting | None:
    """An agent type's own, where the configuration says something of it; else the project's."""
    if own is None:
        return general
    if isinstance(own, Mapping) and general is not None and own.get("kind") in {None, BUBBLEWRAP}:
        own = {
            "network": general.network,
            "writable": general.writable,
            "readable": general.readable,
            **own,
        }
    return sandbox(own)


def tightened(general: SandboxSetting | None, asked: Any) -> SandboxSetting | None:
    """What holds where an agent definition asks for less than it could have. Raises `ValueError`.

    A definition can confine an agent and close the network; it opens nothing.
    """
    wanted = None if asked is None else sandbox(asked)
    if wanted is None:
        return general
    if general is None:
        return SandboxSetting(network=wanted.network)
    return replace(general, network=general.network and wanted.network)


def _paths(key: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(
        isinstance(one, str) and one for one in value
    ):
        raise ValueError(f"{key}: a list of paths is expected")
    return tuple(value)
