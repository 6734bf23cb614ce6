"""`python3 dev bench [NAME...] [--size small|normal] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.places import sandbox
from benchmarks.results import Measured, Size, as_json, as_markdown, machine

MODULES: Final[Mapping[str, str]] = {
    "start": "benchmarks.start",
    "queue": "benchmarks.queue_rate",
    "claim-scale": "benchmarks.claim_scale",
    "wake": "benchmarks.wake",
    "processes": "benchmarks.processes",
    "swarm": "benchmarks.swarm",
    "idle": "benchmarks.idle",
}


def main() -> None:
    options = _parser().parse_args()
    about = machine()
    measured = [_measure(name, Size(options.size)) for name in options.names or MODULES]
    if options.json:
        text = json.dumps(as_json(about, options.size, measured), indent=2)
        options.json.write_text(f"{text}\n", encoding="utf-8")
    print(as_markdown(about, measured))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODULES))
    parser.add_argument("--size", choices=[size.value for size in Size], default=Size.NORMAL.value)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser


def _measure(name: str, size: Size) -> Measured:
    if name not in MODULES:
        sys.exit(f"bench: no benchmark is named `{name}`; there are: {', '.join(MODULES)}")
    print(f"bench: {name}", file=sys.stderr)
    measure: Callable[[Path, Size], Measured] = import_module(MODULES[name]).measure
    with sandbox() as folder:
        return measure(folder, size)


if __name__ == "__main__":
    main()
