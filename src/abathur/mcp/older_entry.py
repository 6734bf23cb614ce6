"""How the servers were started before: a module for each, with the path of the database."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from abathur.domain.errors import AbathurError

FAILED: Final = 1


def main(only: str, args: Sequence[str] | None = None) -> int:
    """Serve a part over stdio. `--db-path` may be left out: then the project says where it is."""
    parser = argparse.ArgumentParser(prog=f"python -m abathur.mcp ({only})")
    parser.add_argument("--db-path", type=Path, help="the database's file")
    given = parser.parse_args(args)
    try:
        _serve(only, given.db_path)
    except (AbathurError, OSError) as error:
        sys.stderr.write(f"abathur: {' '.join(str(error).split())}\n")
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return 0


def _serve(only: str, database: Path | None) -> None:
    from abathur.bootstrap import load_project
    from abathur.bootstrap.serving import caller_from
    from abathur.mcp.serving import serve_stdio

    start = Path.cwd()
    if database is not None:
        database = Path.cwd() / database
        start = database.parent
    project = load_project(start, database=database)
    asyncio.run(serve_stdio(project, caller_from(project), only))
