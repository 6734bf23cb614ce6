"""Play many schedules: `python3 dev simulate --seeds 1000 [--first N]`."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache

from tests.simulation.world import Plan, Queue, shrunk


@cache
def queue() -> Queue:
    return Queue()


def failure(seed: int) -> str | None:
    plan = Plan(seed=seed)
    if (violation := queue().play(plan)) is None:
        return None
    least = shrunk(queue(), plan)
    return f"seed {seed}: {violation}\n  least: {least}\n  there: {queue().play(least)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--parallel", type=int, default=None)
    given = parser.parse_args()
    began = time.monotonic()
    seeds = range(given.first, given.first + given.seeds)
    with ProcessPoolExecutor(given.parallel) as pool:
        found = [text for text in pool.map(failure, seeds, chunksize=10) if text]
    seconds = time.monotonic() - began
    print(*found, sep="\n", end="\n" if found else "")
    rate = given.seeds / seconds * 60
    print(f"{given.seeds} schedules in {seconds:.1f} s ({rate:.0f} a minute): {len(found)} failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
