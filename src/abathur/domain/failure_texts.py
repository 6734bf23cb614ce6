"""Guessing the kind of a failure from words, for programs that tell no status.

Apart from `failures`, as the patterns are needed by few and take long to compile.
"""

from __future__ import annotations

import re
from typing import Final

from abathur.domain.failures import FailureClass

# In this order: a text about a context that is too long often names limits and tokens as well.
# A number counts only by itself, and one that often means something else after a word for it.
_NUMBER: Final = r"""(?:(?<=":)|(?<![\w.,:/#-]))(?:{})(?![\w/-]|[.,:]\d)"""
_STATUS: Final = r"\b(?:error|status|code|http(?:/\d(?:\.\d)?)?)\W{{1,3}}(?:{})(?![\w/-]|[.,:]\d)"
_TEXTS: Final = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            FailureClass.CONTEXT_OVERFLOW,
            r"prompt is too long|context[_ ](?:window|length)|maximum context|too many tokens",
        ),
        (
            FailureClass.QUOTA,
            r"usage[_ ]limit|hit your (?:\w+ )*limit|insufficient[_ ]quota|quota (?:was )?exceeded"
            r"|TerminalQuotaError|exceeded your (?:current )?quota|credit balance is too low",
        ),
        (
            FailureClass.CAPACITY,
            r"rate.?limit|too many requests|overloaded|resource[_ ]exhausted"
            rf"|{_NUMBER.format('429|529')}|{_STATUS.format('503')}",
        ),
        (
            FailureClass.AUTHENTICATION,
            r"not logged in|please run /login|invalid[_ ](?:x-)?api[_ -]key|incorrect api key"
            r"|failed to authenticate|authentication[_ ](?:error|failed)|oauth token|unauthorized"
            rf"|{_STATUS.format('401|403')}",
        ),
        (
            FailureClass.MODEL_NOT_FOUND,
            r"model[_ ]not[_ ]found|model\b.{0,80}\b(?:does(?: not|n't) exist|is not (?:found"
            r"|available|supported))|unknown model|no such model",
        ),
        (
            FailureClass.NETWORK,
            r"ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|connection (?:refused|reset"
            r"|error|timed out)|could not resolve host|temporary failure in name resolution"
            r"|network is unreachable|idle timeout waiting for SSE|fetch failed",
        ),
        (
            FailureClass.SERVER,
            rf"internal server error|bad gateway|gateway time-?out"
            rf"|{_STATUS.format('500|502|504')}",
        ),
    )
)


def by_text(text: str) -> FailureClass | None:
    """A guess from words, for programs that tell no status. None when nothing is recognised."""
    plain = text.replace("\u2019", "'")
    return next((kind for kind, pattern in _TEXTS if pattern.search(plain)), None)
