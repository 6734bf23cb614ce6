"""Taking secrets out of texts: by what they look like, and by the values that are known.

A known value is found as it stands and in the forms in which programs pass it on: escaped for
JSON, percent-encoded, in hexadecimal, in base64 at any place of a longer text, and broken over
lines. What is put in its place keeps a line of JSON JSON.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from abathur.domain.runs import RunEvent
from abathur.domain.secret_patterns import LEAST_RUN, RUN_BYTES, suspects

if TYPE_CHECKING:
    from abathur.domain.results import TaskResult
    from abathur.domain.runs import Outcome

MASK: Final = "[REDACTED]"
LEAST_LENGTH: Final = 8
"""A shorter value would be found in everything."""

_MASK: Final = MASK.encode()
_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:[A-Z0-9]*(?:SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|APIKEY)S?|PASS|PWD|PAT|KEY"
    r"|CREDENTIALS?|AUTH|COOKIE|DSN|JWT|BEARER|SIGNATURE|WEBHOOK|SALT|PIN|CONNECTION_STRING)"
    r"(?:_|\d|$)"
)
_PLAIN_NAME: Final = re.compile(
    r"^(?:PWD|OLDPWD)$|_(?:SOCK|SOCKET|FILE|PATH|DIR|HOME|PID|ID|NAME|USER|TYPE|HOST|PORT|MODE"
    r"|LIMIT|TTL|TIMEOUT|ALGORITHM|MAX|MIN|TOKENS)$|^(?:MAX|MIN)_|_MAX_|KEY_?ID"
)
_URL_PASSWORD: Final = re.compile(r"://[^\s:/?#@]*:([^\s/@]+)@")
_BREAKS: Final = b"\r\n"
_ANY_BREAK: Final = rb"(?:\r?\n|(?:\\r)?\\n)?"
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)


def environment(variables: Mapping[str, str]) -> frozenset[str]:
    """The values of the variables that have the name of a secret, and passwords in URLs."""
    found: set[str] = set()
    for name, value in variables.items():
        upper = name.upper()
        if _SECRET_NAME.search(upper) and not _PLAIN_NAME.search(upper):
            found.add(value)
        found.update(_URL_PASSWORD.findall(value))
    return frozenset(value for value in found if _is_telling(value))


def _is_telling(value: str) -> bool:
    """A short value, a number or a truth value stands for too much else."""
    plain = value.strip()
    return len(plain) >= LEAST_LENGTH and not (plain.isdecimal() and len(plain) < 12)


class Redactor:
    """Knows the values of one process. Safe to share: it only ever learns more of them."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: frozenset[str] = frozenset()
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Know these from now on too."""
        self._values = values = self._values | frozenset(values)
        forms: dict[bytes, None] = {}
        for value in sorted(values, key=len, reverse=True):
            forms.update(dict.fromkeys(_forms(value.strip())))
        # The longest first: one may hold another one.
        self._forms = tuple(sorted(forms, key=len, reverse=True))
        # The very same object where there is nothing to join: `is` tells them apart.
        self._joined = tuple((form, _squeezed(form)) for form in self._forms)
        self._longest = max((len(form) for form in self._forms), default=0)

    def text(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        clean = self.data(data)
        return text if clean is data else clean.decode("utf-8", "surrogatepass")

    def data(self, data: bytes) -> bytes:
        """The very same object when there is nothing to take out."""
        return _without_patterns(self._without_values(data))

    def value(self, value: Any) -> Any:
        """Whatever JSON can hold, with the texts in it redacted, keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def event(self, event: RunEvent) -> RunEvent:
        text, data = self.text(event.text), self.value(event.data) if event.data else event.data
        return (
            event if text == event.text and data == event.data else RunEvent(event.kind, text, data)
        )

    def outcome(self, outcome: Outcome) -> Outcome:
        return replace(
            outcome,
            message=self.text(outcome.message),
            result_data=self.value(outcome.result_data),
            result=self.result(outcome.result) if outcome.result else None,
            denied=tuple(
                replace(one, input=self.value(one.input), rule=self.text(one.rule))
                for one in outcome.denied
            ),
        )

    def result(self, result: TaskResult) -> TaskResult:
        problem = self.text(result.problem) if result.problem else result.problem
        return replace(result, content=self.value(result.content), problem=problem)

    def begun(self, data: bytes) -> int:
        """Where the line starts at the end of whole lines in which a known value may have begun.

        The length of `data` when none has.
        """
        tail = data[-2 * self._longest :] if self._longest else b""
        joined = _joined(tail)
        longest = 0
        for _, form in self._joined:
            place = joined.rfind(form[:_BEGINNING])
            if place >= 0 and form.startswith(joined[place:]):
                longest = max(longest, len(joined) - place)
        start = len(tail)
        while longest and len(_joined(tail[start:])) < longest:
            start = tail.rfind(b"\n", 0, max(0, start - 1)) + 1
        return data.rfind(b"\n", 0, len(data) - len(tail) + start) + 1 if longest else len(data)

    def _without_values(self, data: bytes) -> bytes:
        if not self._forms:
            return data
        joined = _joined(data)
        dense = runs_of(joined)
        for form, squeezed in self._joined:
            if squeezed in (dense if _is_run(squeezed) else joined) or (
                squeezed is not form and form in data
            ):
                data = data.replace(form, _MASK)
                if squeezed in _joined(data):
                    data = _broken(squeezed).sub(_MASK, data)
        return data


_BEGINNING: Final = 4
_ESCAPES: Final = (b"\\n", b"\\r", b"\\t", b"\\b", b"\\f")
_RUNS: Final = bytes(byte if byte in RUN_BYTES else 32 for byte in range(256))


def _forms(value: str) -> Iterator[bytes]:
    raw = value.encode("utf-8", "surrogateescape")
    yield raw
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield text.encode("utf-8", "surrogateescape")
        yield text.replace("/", "\\/").encode("utf-8", "surrogateescape")
        # In a text of JSON that stands in another one.
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogateescape")
    percent = _percent(raw)
    yield from (percent, percent.replace(b"%2F", b"/"), percent.replace(b"%20", b"+"))
    yield re.sub(rb"%..", _lower, percent)
    yield from (raw.hex().encode(), raw.hex().upper().encode())
    yield from _base64(raw)
    if "\n" in value:
        # A key of many lines is a secret line by line.
        yield from (line.encode() for line in value.split("\n") if len(line) >= 2 * LEAST_LENGTH)


def _lower(found: re.Match[bytes]) -> bytes:
    return found[0].lower()


def _percent(raw: bytes) -> bytes:
    return b"".join(bytes((byte,)) if byte in _UNRESERVED else b"%%%02X" % byte for byte in raw)


def _base64(raw: bytes) -> Iterator[bytes]:
    """What is the same whatever stands before and after, for each of the three places."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw)
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        sure = coded[first:last]
        yield from (sure, sure.translate(_URL_SAFE))


_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def _squeezed(form: bytes) -> bytes:
    joined = _joined(form)
    return form if joined == form else joined


def _joined(data: bytes) -> bytes:
    """Without line breaks, real ones and those of JSON."""
    if b"\\n" in data:
        data = data.replace(b"\\r\\n", b"").replace(b"\\n", b"")
    return data.translate(None, _BREAKS)


def _broken(form: bytes) -> re.Pattern[bytes]:
    """The form with a line break anywhere in it."""
    return re.compile(_ANY_BREAK.join(re.escape(bytes((byte,))) for byte in form))


def _without_patterns(data: bytes) -> bytes:
    for expression in suspects(data, runs_of(data)):
        data = expression.sub(_masked, data)
    return data


def runs_of(data: bytes) -> bytes:
    """The long runs of a secret's characters in the data, with blanks between them."""
    if b"\\" in data:
        for escape in _ESCAPES:
            data = data.replace(escape, b" ")
    return b" ".join(run for run in data.translate(_RUNS).split() if len(run) >= LEAST_RUN)


def _is_run(form: bytes) -> bool:
    return len(form) >= LEAST_RUN and b" " not in form.translate(_RUNS)


def _masked(found: re.Match[bytes]) -> bytes:
    if "secret" not in found.re.groupindex:
        return _MASK
    start, end = found.start("secret") - found.start(), found.end("secret") - found.start()
    return found[0][:start] + _MASK + found[0][end:]
