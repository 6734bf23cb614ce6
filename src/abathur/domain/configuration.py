"""What of a changed configuration a swarm that runs can take over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final

from abathur.domain.settings import Settings

FIXED: Final = ("database", "swarm.lease_seconds", "swarm.heartbeat_seconds", "traces")
"""Settings, or sections, that last as long as a swarm does: others know it by them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a changed configuration means for a swarm that runs."""

    settings: Settings
    """Those to go by from now on."""
    taken: tuple[str, ...]
    """Names of the settings that are others now."""
    kept: tuple[str, ...]
    """Names of those that would be, and need a new start."""


def change(old: Settings, new: Settings) -> Change:
    names = [name for name, value in _flat(new) if value != dict(_flat(old)).get(name)]
    kept = tuple(name for name in names if _is_fixed(name))
    swarm = replace(
        new.swarm,
        lease_seconds=old.swarm.lease_seconds,
        heartbeat_seconds=old.swarm.heartbeat_seconds,
    )
    return Change(
        settings=replace(new, database=old.database, swarm=swarm, traces=old.traces),
        taken=tuple(name for name in names if not _is_fixed(name)),
        kept=kept,
    )


def _is_fixed(name: str) -> bool:
    return name in FIXED or name.partition(".")[0] in FIXED


def _flat(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Dotted names of single settings; a map counts as one."""
    for item in fields(settings):
        value = getattr(settings, item.name)
        if item.name == "sources":
            continue
        if item.name in _SECTIONS:
            yield from (
                (f"{item.name}.{leaf.name}", getattr(value, leaf.name)) for leaf in fields(value)
            )
        else:
            yield item.name, value


_DEFAULTS: Final = Settings()
_SECTIONS: Final = frozenset(
    item.name for item in fields(Settings) if is_dataclass(getattr(_DEFAULTS, item.name))
)
