"""How the queue names the host of a worker: the machine, its boot, and whose processes it sees.

Like `build-7:1f3c9a02:4026531836`. A machine without marks has only its name, and names that were
stored without the last part stay as they are.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

POOL: Final = "host"
"""In the place of a provider, where a pool is that of a host."""


class Sight(StrEnum):
    """What can be known here of a process there."""

    VISIBLE = "visible"
    GONE = "gone"
    """The machine was booted since: no process of then is left."""
    HIDDEN = "hidden"
    """On another machine, or in another container of this one, which may bear the same name."""


def host_of(machine: str, boot: str, process_namespace: str) -> str:
    """The name of a host. Empty marks aren't known, and one behind an unknown one isn't told."""
    marks = (machine, boot, process_namespace if boot else "")
    return ":".join(mark for mark in marks if mark)


def machine_of(host: str) -> str:
    """What people call it."""
    return host.partition(":")[0]


def pool_of(host: str) -> str:
    """The name of what work needs there before an agent starts, beside the providers' pools."""
    return f"{POOL}/{machine_of(host)}"


def sight_of(there: str, *, here: str) -> Sight:
    """Whether a process on the host `there` would be seen from `here`."""
    machine, boot, namespace = _marks(here)
    other_machine, other_boot, other_namespace = _marks(there)
    if machine != other_machine:
        return Sight.HIDDEN
    if boot != other_boot:
        return Sight.GONE
    if namespace and other_namespace and namespace != other_namespace:
        return Sight.HIDDEN
    return Sight.VISIBLE


def _marks(host: str) -> tuple[str, str, str]:
    machine, _, marks = host.partition(":")
    boot, _, namespace = marks.partition(":")
    return machine, boot, namespace
