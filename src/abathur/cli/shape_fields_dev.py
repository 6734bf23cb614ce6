"""The documented JSON fields of `abathur dev`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli.shape_fields_database import Fields

SHAPES: Final[Mapping[str, Fields]] = {
    "ModelServer": {"url": ("string", "where it listens, without a path")}
}
COMMAND_SHAPES: Final[Mapping[str, str]] = {"dev model": "ModelServer"}
