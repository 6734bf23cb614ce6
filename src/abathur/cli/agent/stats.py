"""`abathur agent stats`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from abathur.cli import context, output
from abathur.cli import shape_fields_loops as fields
from abathur.cli.context import json_option
from abathur.cli.output import Column
from abathur.cli.shapes import pick
from abathur.cli.text import length
from abathur.domain.agent_stats import AgentStats, StatsBy, summed
from abathur.domain.times import parse_past

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.ports.stores import Stores

MOST: Final = 100_000
STATS = (
    Column(title="NAME", most=40),
    Column(title="RUNS", right=True),
    Column(title="SUCCEEDED", right=True),
    Column(title="REFUSED", right=True),
    Column(title="FAILED", right=True),
    Column(title="OTHER", right=True),
    Column(title="TIME", right=True),
    Column(title="COST", right=True),
    Column(title="TOTAL", right=True),
)


@click.command()
@click.option(
    "--by",
    type=click.Choice([one.value for one in StatsBy]),
    default=StatsBy.TYPE.value,
    show_default=True,
    help="What the runs are added up by; version is that of the definition.",
)
@click.option("--agent-type", metavar="NAME", help="Only runs of that type.")
@click.option("--since", metavar="TIME", help="Only runs since then: `7d ago`, 2030-01-31T00:00Z.")
@json_option
def stats(by: str, agent_type: str | None, since: str | None, as_json: bool) -> None:
    """Show how agents have done: success, time and cost of their runs.

    A run is REFUSED when the agent said that it was done, but its work couldn't land. OTHER runs
    were handed back, lost, cancelled or ended by a provider's limit; they count for nothing. TIME
    and COST are averages.
    """
    begin = parse_past(since, "since", context.now()) if since else None
    found = context.read(_stats, StatsBy(by), agent_type, begin)
    if as_json:
        output.write_json([pick(fields.AGENT_STATS, one) for one in found])
    elif found:
        output.write_table(STATS, [_row(one) for one in found])
    else:
        output.say("No run has ended yet.")


def _stats(
    stores: Stores, by: StatsBy, agent_type: str | None, since: datetime | None
) -> Sequence[AgentStats]:
    return summed(stores.agent_runs.newest(MOST, agent_type=agent_type, since=since), by)


def _row(one: AgentStats) -> list[str]:
    rate = "" if one.success_rate is None else f" ({one.success_rate * 100:.0f} %)"
    return [
        one.name,
        str(one.runs),
        f"{one.succeeded}{rate}",
        str(one.refused),
        str(one.failed),
        str(one.other),
        length(one.seconds),
        "-" if one.usd is None else f"${one.usd:.2f}",
        f"${one.total_usd:.2f}",
    ]
