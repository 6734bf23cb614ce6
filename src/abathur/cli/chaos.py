"""`abathur chaos`: swarms on a throw-away repository, killed on purpose, and what became of it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from abathur.cli import output
from abathur.cli.context import app, json_option
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.domain.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from abathur.chaos.campaign import Outcome
    from abathur.chaos.rounds import Round
    from abathur.chaos.servers import Server

SHOWN_POINTS: Final = 10


@click.command()
@click.option("--kills", type=click.IntRange(1, 100_000), help="How many kills to deal.")
@click.option(
    "--profile",
    type=click.Choice(["quick", "nightly"]),
    default="quick",
    show_default=True,
    help="quick: 100 kills, a rest after every third; nightly: 1,000, a rest after each.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 10**9),
    default=1,
    show_default=True,
    help="What tasks and blows are chosen by.",
)
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="How many repositories at once.",
)
@click.option("--keep", is_flag=True, help="Keep the folder also when nothing was found.")
@click.option(
    "--repeat",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Play one round again that found something, from the folder that it left.",
)
@click.option(
    "--restart-server",
    metavar="COMMAND",
    help="With --db: a command line that stops the server and starts it again, for the times when "
    "the database is away; all who use the server notice.",
)
@json_option
def chaos(
    repeat: Path | None, keep: bool, restart_server: str | None, as_json: bool, **options: Any
) -> int:
    """Kill swarms on a throw-away repository, and check that nothing was lost.

    Real supervisors, agents that follow scripts and real git are killed, frozen and stopped at
    every point where they write and at random moments; disks fill up, the database goes away, the
    clock jumps. After it the queue is run to idle and everything that was promised is checked.
    Needs git, but no account and no network. Exit code 1 when anything isn't as promised: then the
    repository is kept, with what is needed to play the round again.

    `abathur --db URL chaos` has the queues on a server of PostgreSQL: the URL is that of a database
    whose user may make others. Each repository gets one of its own, which is dropped afterwards;
    no other one is touched.
    """
    server = _server(restart_server)
    folder = Path(tempfile.mkdtemp(prefix="abathur-chaos-")).resolve()
    outcome = None
    try:
        outcome = _repeat(repeat, folder, server) if repeat else _run(folder, server, **options)
    finally:
        if not keep and outcome is not None and not outcome.failed:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        output.write_json(plain(outcome))
    else:
        output.write_lines(_told(outcome))
    return BAD_ANSWER if outcome.failed else OK


def _server(restart: str | None) -> Server | None:
    """Where the queues shall be; None for files."""
    named = app().database
    if named is None and restart:
        raise InvalidInputError("`--restart-server` needs a server; name it by --db URL")
    if named is None:
        return None
    if isinstance(named, Path):
        raise InvalidInputError(
            "chaos makes files of its own; leave --db out, or name a server by it, like "
            "postgresql://user@host/postgres"
        )
    from abathur.chaos.servers import Server, check

    server = Server(named, restart or "")
    check(server)
    return server


def _run(
    folder: Path,
    server: Server | None,
    *,
    kills: int | None,
    profile: str,
    seed: int,
    parallel: int,
) -> Outcome:
    from dataclasses import replace

    from abathur.chaos.campaign import PROFILES, Campaign

    chosen = PROFILES[profile]
    if kills is not None:
        chosen = replace(chosen, kills=kills)
    output.say(f"{chosen.kills} kills in {folder}")
    campaign = Campaign(folder, seed, chosen, server)
    if server is not None and server.restart:
        # The others would be hit while nobody counts on it.
        parallel = 1
    done = 0

    def tell(one: Round) -> None:
        nonlocal done
        done += one.kills
        verdict = "; ".join(one.findings) or "nothing lost"
        output.say(f"{done:5} kills; round {one.seed}: {verdict}")

    return campaign.run(parallel, tell)


def _repeat(recorded: Path, folder: Path, server: Server | None) -> Outcome:
    from abathur.chaos.campaign import repeat
    from abathur.chaos.notes import FILE

    if not (recorded / FILE).is_file():
        raise NotFoundError(f"no `{FILE}` in {recorded}; name the folder that a round has left")
    return repeat(recorded, folder, server)


def plain(outcome: Outcome) -> dict[str, Any]:
    return {
        "ok": not outcome.failed,
        "seed": outcome.seed,
        "kills": outcome.kills,
        "faults": outcome.faults,
        "at_random": outcome.at_random,
        "blows": {blow.value: count for blow, count in sorted(outcome.blows.items())},
        "rounds": len(outcome.rounds),
        "rests": outcome.rests,
        "tasks": dict(sorted(outcome.statuses.items())),
        "points_reached": outcome.reached,
        "points": dict(sorted(outcome.strikes.items())),
        "never_reached": list(outcome.never_reached),
        "findings": [
            {"seed": one.seed, "folder": str(one.folder), "texts": list(one.findings)}
            for one in outcome.failed
        ],
        "seconds": round(outcome.seconds, 1),
    }


def _told(outcome: Outcome) -> list[str]:
    tasks = ", ".join(f"{count} {status}" for status, count in sorted(outcome.statuses.items()))
    lines = [
        *(f"{blow.value:12} {count:6}" for blow, count in sorted(outcome.blows.items())),
        "",
        f"points struck  {len(outcome.strikes)} of {outcome.reached}, and {outcome.at_random} "
        "blows at random moments",
        f"tasks          {tasks}",
        f"rests          {outcome.rests}, each with all checks",
    ]
    if outcome.never_reached:
        shown = ", ".join(outcome.never_reached[:SHOWN_POINTS])
        more = " …" if len(outcome.never_reached) > SHOWN_POINTS else ""
        lines.append(f"never reached  {shown}{more}")
    for one in outcome.failed:
        lines += ["", f"round {one.seed} found:", *(f"  {text}" for text in one.findings)]
        lines += [f"  to play it again: abathur chaos --repeat {one.folder}"]
    verdict = "nothing was lost" if not outcome.failed else f"{len(outcome.failed)} rounds failed"
    lines += [
        "",
        f"{outcome.kills} kills and {outcome.faults} faults in {outcome.seconds:.1f} s: {verdict}",
    ]
    return lines
