"""The JSON that commands print."""

from __future__ import annotations

import re
from typing import Final

from abathur.cli.shape_fields import COMMAND_SHAPES, SHAPES
from generating.text import code, table

SHAPE_NAMES: Final = re.compile(rf"\b(?:{'|'.join(SHAPES)})\b")


def json_shapes() -> str:
    commands = [[code(f"abathur {name}"), _linked(shape)] for name, shape in COMMAND_SHAPES.items()]
    parts = [
        "# JSON",
        "Compact on one line, indented when stdout is a terminal. `time` is ISO 8601 in UTC with a"
        " `Z`; `?` marks what may be null, `[]` a list. Fields may be added; none goes or changes"
        " its meaning without a word in the changelog.",
        table(["Command with `--json`", "prints"], commands),
        'An error is printed on stderr as `{"error": Error}`.',
    ]
    for name, shape in SHAPES.items():
        rows = [[code(field), _linked(kind), meaning] for field, (kind, meaning) in shape.items()]
        parts += [f"## {name}", table(["Field", "Type", "Meaning"], rows)]
    return "\n\n".join(parts)


def _linked(kind: str) -> str:
    return SHAPE_NAMES.sub(lambda match: f"[{match[0]}](#{match[0].lower()})", kind)
