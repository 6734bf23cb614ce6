"""`abathur cost`: what agents cost, with what is known and what isn't kept apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.output import Column
from abathur.cli.text import clean, short
from abathur.domain.errors import InvalidInputError
from abathur.domain.money import CostGroup, day_of

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.money import CostTotal
    from abathur.services.accounting import CostReport


@click.command()
@click.option(
    "--by",
    type=click.Choice([group.value for group in CostGroup]),
    default=CostGroup.DAY.value,
    show_default=True,
    help="What to add up by.",
)
@click.option("--since", metavar="TIME", help="From that day on (UTC): 2030-01-31, or `7d ago`.")
@json_option
def cost(by: str, since: str | None, as_json: bool) -> None:
    """Show what agents cost: as they told, as estimated, and as reserved for those that run."""
    from abathur.services.accounting import cost_report

    first = None if since is None else _day(since, context.now())
    found = context.read(cost_report, CostGroup(by), first)
    if as_json:
        output.write_json(shapes.cost_report(found))
    else:
        output.write_lines(list(_lines(found)))


def _day(text: str, now: datetime) -> str:
    from datetime import date

    from abathur.domain.times import parse_past

    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        pass
    try:
        return day_of(parse_past(text, "since", now))
    except InvalidInputError as error:
        raise InvalidInputError(
            f"since: `{text}` is no day that has been; write it like 2030-01-31, or `7d ago`"
        ) from error


def _lines(found: CostReport) -> Iterator[str]:
    columns = (
        Column(title=found.by.value.replace("-", " ").upper(), flexible=True),
        Column(title="ATTEMPTS", right=True),
        Column(title="KNOWN", right=True),
        Column(title="ESTIMATED", right=True),
        Column(title="UNKNOWN", right=True),
        Column(title="RESERVED", right=True),
        Column(title="TOKENS IN", right=True),
        Column(title="OUT", right=True),
    )
    if not found.groups:
        yield "no attempt has ended yet" if found.since is None else f"nothing since {found.since}"
        return
    rows = [_row(one, _name(one.name, found.by)) for one in found.groups]
    yield from output.table(columns, [*rows, _row(found.total, "total")], output.width())
    if found.rules:
        yield ""
        yield "estimated where the agent's program told no cost:"
        yield from (f"  {number} by {clean(rule)}" for rule, number in found.rules)


def _name(name: str, by: CostGroup) -> str:
    if by is CostGroup.TASK:
        return short(name)
    if by is CostGroup.ATTEMPT:
        task_id, _, number = name.partition("/")
        return f"{short(task_id)}/{number}"
    return clean(name) or "(not known)"


def _row(one: CostTotal, name: str) -> list[str]:
    return [
        name,
        str(one.attempts),
        _dollars(one.known_usd) if one.known_attempts else "-",
        _dollars(one.estimated_usd) if one.unknown_attempts else "-",
        str(one.unknown_attempts or "-"),
        _dollars(one.reserved_usd) if one.running_attempts else "-",
        _count(one.input_tokens + one.cache_read_tokens + one.cache_write_tokens),
        _count(one.output_tokens),
    ]


def _dollars(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.4f}"


def _count(tokens: int) -> str:
    return f"{tokens:,}" if tokens else "-"
