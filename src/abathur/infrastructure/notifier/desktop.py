"""Notices on the desktop of this machine: `notify-send`, or `osascript` on macOS."""

from __future__ import annotations

import html
import shutil
from typing import Final

from abathur.domain.needs import Need, Notice
from abathur.infrastructure.notifier.channels import NotSentError
from abathur.infrastructure.processes import run_briefly

TIMEOUT_SECONDS: Final = 10.0
LONGEST: Final = 300
TITLES: Final = {
    Need.REVIEW: "A review waits for you",
    Need.TASK_FAILED: "A task has failed",
    Need.SWARM_ERROR: "The swarm has ended",
    Need.TRUST: "A changed configuration waits for you",
    Need.HOLD: "Tasks are held",
}
SESSION: Final = ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY")
"""Variables by which the program finds the desktop."""
_SCRIPT: Final = (
    *("-e", "on run argv"),
    *("-e", "display notification (item 2 of argv) with title (item 1 of argv)"),
    *("-e", "end run"),
)


class Desktop:
    name = "desktop"

    def send(self, notice: Notice) -> None:
        argv = _command(f"{TITLES[notice.need]}: {notice.project}", _body(notice))
        code = run_briefly(argv, SESSION, TIMEOUT_SECONDS)
        if code != 0:
            how = "didn't come to an end" if code is None else f"ended with {code}"
            raise NotSentError(f"`{argv[0]}` {how}; is there a desktop?", passing=False)


def _body(notice: Notice) -> str:
    text = f"{notice.summary}: {notice.text}" if notice.summary else notice.text
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _command(title: str, body: str) -> tuple[str, ...]:
    """The texts are arguments behind the options, and never part of a script."""
    if program := shutil.which("notify-send"):
        # The body is read as a kind of HTML.
        return (program, "--app-name=Abathur", "--", title, html.escape(body, quote=False))
    if program := shutil.which("osascript"):
        return (program, *_SCRIPT, title, body)
    raise NotSentError("neither `notify-send` nor `osascript` is installed", passing=False)
