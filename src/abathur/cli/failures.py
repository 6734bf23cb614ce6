"""How an error is told: one clear line and an exit code; a bug gets a crash log."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Sequence
from pathlib import Path

import click

from abathur import __version__
from abathur.cli.exit_codes import BUG, INTERRUPTED, USAGE, exit_code
from abathur.cli.output import say
from abathur.cli.text import clean
from abathur.domain.errors import AbathurError, AmbiguousIdError, PlanError

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
VERBOSE = frozenset({"-v", "--verbose"})
_PASSWORD = re.compile(r"(?<=://)[^@\s'\"]*:[^\s'\"]*(?=@)|(?<=[?&]password=)[^&\s'\"]*")


def report(error: BaseException, args: Sequence[str]) -> int:
    """Tell the person (or the program, with `--json`) and return the exit code."""
    error = _innermost(error)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message())
        return USAGE
    code = _code(error)
    message = without_secrets(_bug(error, args) if code == BUG else _message(error))
    if _wants_json(args):
        say(_as_json(error, code, message))
    else:
        for line in message.splitlines():
            say(f"abathur: {clean(line)}")
    if VERBOSE.intersection(args):
        say(without_secrets(_traceback(error)))
    return code


def without_secrets(text: str) -> str:
    """Secrets of the environment, and a password in a database's URL, stay with their owner."""
    from abathur.safeguards import redactor

    return redactor().text(_PASSWORD.sub("***", text))


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _code(error: BaseException) -> int:
    if isinstance(error, click.Abort):
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        return USAGE
    return exit_code(error)


def _message(error: BaseException) -> str:
    if isinstance(error, click.UsageError):
        return _usage(error)
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, PlanError):
        return str(error)
    if isinstance(error, AmbiguousIdError) and error.summaries:
        return _ambiguous(error)
    if isinstance(error, OSError):
        return _os_error(error)
    return " ".join(str(error).split())


def _usage(error: click.UsageError) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    path = error.ctx.command_path if error.ctx else "abathur"
    return f"{message[:1].lower()}{message[1:]} (see `{path} --help`)"


def _ambiguous(error: AmbiguousIdError) -> str:
    pairs = zip(error.candidates, error.summaries, strict=True)
    lines = [f"  {task_id}  {' '.join(summary.split())}" for task_id, summary in pairs]
    head = f"id `{error.prefix}` fits several tasks; type more of it:"
    return "\n".join([head, *lines])


def _os_error(error: OSError) -> str:
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    told = f"{error.filename}: {reason}" if error.filename else reason
    if isinstance(error, PermissionError):
        return f"{told}; check its owner and permissions"
    return f"{told}; free some, then try again" if error.errno in NO_SPACE else told


def _wants_json(args: Sequence[str]) -> bool:
    """Looked up by hand: the command line may be what is wrong."""
    options = args[: list(args).index("--")] if "--" in args else args
    return "--json" in options


def _as_json(error: BaseException, code: int, message: str) -> str:
    name = "Interrupted" if code == INTERRUPTED else type(error).__name__
    problems = list(error.problems) if isinstance(error, PlanError) else []
    told = {"code": code, "type": name, "message": message, "problems": problems}
    return json.dumps({"error": told})


# --- bugs ---------------------------------------------------------------------------------


def _bug(error: BaseException, args: Sequence[str]) -> str:
    what = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, AbathurError):
        return what
    try:
        return f"this is a bug ({what}); please report it with {_crash_log(error, args)}"
    except OSError:
        say(without_secrets(_traceback(error)))
        return f"this is a bug ({what}); please report it with the lines above"


def _crash_log(error: BaseException, args: Sequence[str]) -> Path:
    import os
    import platform
    import time
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(time.time(), UTC)
    path = _log_folder(args) / f"crash-{at:%Y%m%d-%H%M%S}-{os.getpid()}.log"
    head = [
        f"abathur {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"at {at:%Y-%m-%dT%H:%M:%SZ}",
        f"arguments: {list(args)!r}",
        f"folder: {Path.cwd()}",
    ]
    text = "\n".join(head) + "\n\n" + _traceback(error)
    path.write_text(without_secrets(text), encoding="utf-8", errors="backslashreplace")
    return path


def _log_folder(args: Sequence[str]) -> Path:
    """That of the project if there is one, else the one for temporary files."""
    import tempfile

    from abathur.bootstrap import FOLDER, find_root
    from abathur.domain.errors import NotFoundError

    try:
        folder = find_root(_start(args).resolve()) / FOLDER / "logs"
        folder.mkdir(exist_ok=True)
    except (NotFoundError, OSError):
        return Path(tempfile.gettempdir())
    return folder


def _start(args: Sequence[str]) -> Path:
    for place, arg in enumerate(args):
        if arg.startswith("--project="):
            return Path(arg.partition("=")[2])
        if arg == "--project" and place + 1 < len(args):
            return Path(args[place + 1])
    return Path.cwd()


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error)).rstrip()
