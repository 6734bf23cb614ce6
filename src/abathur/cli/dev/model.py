"""`abathur dev model`: a model server on this machine that plays a script."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from abathur.cli import output
from abathur.cli.context import json_option
from abathur.cli.text import clean

if TYPE_CHECKING:
    from abathur.bootstrap.scripted_model import Recorded

ENDINGS = (signal.SIGINT, signal.SIGTERM)


@click.command()
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Where to listen on 127.0.0.1; 0 is any free port.",
)
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Append each request and what was chosen for it, one JSON object on each line.",
)
@json_option
def model(script: Path, port: int, record: Path | None, as_json: bool) -> None:
    """Be a model that plays SCRIPT, until Ctrl-C or SIGTERM.

    Speaks Anthropic's Messages and OpenAI's Responses and Chat Completions, streaming and not, so
    that agent programs can be tried and tested without an account and without cost. Prints its
    address first: ANTHROPIC_BASE_URL takes it as it is, clients of OpenAI's want `/v1` behind it.
    Any key is accepted. Only this machine reaches it.
    """
    from abathur.bootstrap.scripted_model import serve

    # Held back before there are threads, so that no signal comes between the address and the wait.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    try:
        with serve(script, port=port, record=record, told=_tell) as server:
            if as_json:
                output.write_json({"url": server.url}, line=True)
            else:
                output.write(server.url)
            output.flush()
            signal.sigwait(ENDINGS)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _tell(request: Recorded) -> None:
    asked, answer = request.asked, request.answer
    whose = f"conversation `{request.conversation}`, turn {request.turn}"
    chosen = whose if request.conversation else "no conversation"
    said = f": {answer.message}" if answer.status >= 400 else ""
    output.say(clean(f"{asked.api} {asked.model}: {chosen} -> {answer.status}{said}"))
