"""`python3 dev bench [NAME...] [--size small|normal] [--store sqlite|postgresql] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.page import renew
from benchmarks.places import sandbox
from benchmarks.results import Cell, Measured, Size, as_json, as_markdown, machine
from benchmarks.stores import STORE_VARIABLE, STORES

MODULES: Final[Mapping[str, str]] = {
    "start": "benchmarks.start",
    "queue": "benchmarks.queue_rate",
    "claim-scale": "benchmarks.claim_scale",
    "wake": "benchmarks.wake",
    "processes": "benchmarks.processes",
    "fleet": "benchmarks.fleet",
    "swarm": "benchmarks.swarm",
    "runs": "benchmarks.runs",
    "idle": "benchmarks.idle",
    "agents": "benchmarks.agents",
    "open": "benchmarks.opening",
    "memory": "benchmarks.memory",
    "mcp": "benchmarks.mcp_clients",
    "peers": "benchmarks.peers.compare",
}
APART: Final = ("peers",)
"""Measured only when named: they need other libraries."""


def main() -> None:
    options = _parser().parse_args()
    names = options.names or [name for name in MODULES if name not in APART]
    for name in names:
        if name not in MODULES:
            sys.exit(f"bench: no benchmark is named `{name}`; there are: {', '.join(MODULES)}")
    if options.store:
        os.environ[STORE_VARIABLE] = options.store
    about = machine()
    measured: list[Measured] = []
    failed = 0
    for name in names:
        try:
            for one in _measure(name, Size(options.size)):
                measured.append(one)
                _keep(options, about, measured)
        except Exception:
            # The figures of the others took minutes, and are as good as ever.
            traceback.print_exc()
            print(f"bench: {name} failed, see above", file=sys.stderr)
            failed += 1
    if options.page:
        renew(options.page, about, measured)
    print(as_markdown(about, measured))
    sys.exit(1 if failed else 0)


def _keep(
    options: argparse.Namespace, about: Mapping[str, Cell], measured: Sequence[Measured]
) -> None:
    """Write what there is, after each table."""
    if options.json:
        text = json.dumps(as_json(about, options.size, measured), indent=2)
        options.json.write_text(f"{text}\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODULES))
    parser.add_argument("--size", choices=[size.value for size in Size], default=Size.NORMAL.value)
    parser.add_argument("--store", choices=STORES, help="measure on this one only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--page", type=Path, metavar="FILE", help="renew the tables of this page")
    return parser


def _measure(name: str, size: Size) -> Iterator[Measured]:
    print(f"bench: {name}", file=sys.stderr)
    measure: Callable[[Path, Size], Measured | Iterable[Measured]]
    measure = import_module(MODULES[name]).measure
    with sandbox() as folder:
        told = measure(folder, size)
        yield from (told,) if isinstance(told, Measured) else told


if __name__ == "__main__":
    main()
