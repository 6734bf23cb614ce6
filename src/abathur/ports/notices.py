"""News for the person at whatever front door: of what a command did beside what it was asked for.

One line each. The command line shows them on stderr; a program that uses Abathur as a library
finds them in its log.
"""

from __future__ import annotations

import logging
from typing import Final

NAME: Final = "abathur.notices"

notices: Final = logging.getLogger(NAME)
