"""`abathur trust`: the person's word that what a repository's files name may be run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from abathur import bootstrap, safeguards
from abathur.cli import output, trusting
from abathur.cli.context import app, json_option, now
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.text import clean
from abathur.domain.errors import UntrustedError
from abathur.safeguards import Trust


@click.command()
@click.option("--show", "mode", flag_value="show", help="Only show what would be run.")
@click.option("--revoke", "mode", flag_value="revoke", help="Take the trust back.")
@click.option("--yes", is_flag=True, help="Don't ask: for scripts.")
@json_option
def trust(mode: str | None, yes: bool, as_json: bool) -> int:
    """Agree to what this repository's files would run.

    Configuration and agent definitions may have come with a clone. Nothing that they name is run
    before you have agreed, and a changed file asks again. With `--show` the exit code is 1 while
    something isn't trusted. The folders in the variable ABATHUR_TRUST need no agreement.
    """
    root = bootstrap.find_root(app().start.resolve())
    if mode == "revoke":
        was_trusted = safeguards.distrust(root)
        _tell(root, as_json, "trusted no more" if was_trusted else "wasn't trusted by you")
        return OK
    found = safeguards.find_trust(root)
    if mode == "show":
        _show(found, as_json, root)
        return BAD_ANSWER if found.asked else OK
    if found.asked:
        _agree(root, found, yes=yes)
    _tell(root, as_json, "trusted" if found.asked else "nothing to agree to")
    return OK


def _agree(root: Path, trust: Trust, *, yes: bool) -> None:
    """What is shown is what is agreed to: a file that changes meanwhile asks again."""
    if not yes:
        if not trusting.can_ask():
            raise UntrustedError("there is nobody to ask; say `abathur trust --yes`")
        if not trusting.agrees(root, trust.asked):
            raise UntrustedError("nothing was trusted; nothing of it will be run")
    safeguards.trust(root, trust.found, now())


def _show(trust: Trust, as_json: bool, root: Path) -> None:
    if as_json:
        output.write_json(_plain(root))
        return
    waiting = {one.path for one in trust.asked}
    for one in trust.found:
        state, colour = ("not trusted", "yellow") if one.path in waiting else ("trusted", "green")
        output.write(f"{clean(one.path)}  {output.paint(state, colour)}")
        output.write_lines([f"  {clean(line)}" for line in one.says])
    if not trust.found:
        output.write("no file here names anything to run")


def _tell(root: Path, as_json: bool, what: str) -> None:
    if as_json:
        output.write_json(_plain(root))
    else:
        output.write(f"{clean(str(root))}: {what}")


def _plain(root: Path) -> dict[str, Any]:
    trust = safeguards.find_trust(root)
    waiting = {one.path for one in trust.asked}
    files = [
        {"path": one.path, "says": list(one.says), "trusted": one.path not in waiting}
        for one in trust.found
    ]
    return {"root": root, "trusted": not waiting, "files": files}
