"""Telling from what a program wrote that its surroundings failed: the network, a server, a disk.

For the project's own commands and git, which tell no status. A bare number means nothing here: a
test runner counts up to any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from abathur.domain.failures import FailureClass

LAST_LINES: Final = 40
"""Of an output that are looked at: what a program met long before its end, it has survived."""
LONGEST_LINE: Final = 500

_STATUS: Final = (
    r"\b(?:returned error|status(?: code)?|http(?:/\d(?:\.\d)?)?(?: error| status)?)\W{{1,3}}"
    r"(?:{})(?![\w/.,:-])"
)
_SIGNS: Final = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (FailureClass.DISK, r"no space left on device|disk quota exceeded|\bENOSPC\b|\bEDQUOT\b"),
        (
            FailureClass.NETWORK,
            r"could not resolve (?:host|proxy)|temporary failure (?:in name resolution|resolving)"
            r"|name or service not known|nodename nor servname|getaddrinfo|no such host"
            r"|\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH"
            r"|ERR_SOCKET_TIMEOUT)\b|connection (?:refused|reset|timed out|aborted)"
            r"|(?:network|host) is unreachable|no route to host|failed to connect to"
            r"|(?:couldn't|could not) connect to|failed to establish a new connection"
            r"|max retries exceeded with url|(?:read|connect|handshake|i/o|operation) ?time(?:d )?"
            r"?out|unknownhostexception|fetch failed|early EOF|remote end hung up unexpectedly",
        ),
        (
            FailureClass.CAPACITY,
            rf"too many requests|{_STATUS.format('429|503')}|service (?:temporarily )?unavailable",
        ),
        (
            FailureClass.SERVER,
            rf"internal server error|bad gateway|gateway time-?out|{_STATUS.format('500|502|504')}",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Outage:
    failure: FailureClass
    line: str
    """What tells it, without its ends."""


def outage_in(text: str) -> Outage | None:
    """The last sign of an outage; None when nothing says that the surroundings failed."""
    for line in reversed(text.splitlines()[-LAST_LINES:]):
        short = line.strip()[:LONGEST_LINE]
        for kind, sign in _SIGNS:
            if sign.search(short):
                return Outage(kind, short)
    return None
