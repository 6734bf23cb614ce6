#!/usr/bin/env python3
"""Writes the pages of `docs/reference/` that are made from the program: `python3 dev docs`.

A test compares what would be written with the files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from generating import pages

FOLDER: Final = Path(__file__).with_name("reference")


def main() -> None:
    for name, text in pages().items():
        path = FOLDER / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
