"""Tokens that say which run, or whose program, talks to a server.

A token is signed and holds no secret of its own: whoever has the project's key can check it, and
nobody else can make one. That of a run is worth nothing once the run is over, as its fence is
another one then.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

from abathur.domain.delegation import Caller, RunKey

PREFIX: Final = "abathur_mcp"
"""Begins every token, so that it is recognised and redacted wherever it turns up."""
KEY_BYTES: Final = 32
_PERSON: Final = "person"
_LONGEST: Final = 300


def issued(key: bytes, caller: Caller) -> str:
    """The token of a caller. A person's holds until the key is another one."""
    run = caller.run
    said = f"{run.task_id}.{run.attempt}.{run.fence}" if run else f"{_PERSON}.{_named(caller)}"
    return f"{PREFIX}.{said}.{_signature(key, said)}"


def read(key: bytes, token: str) -> Caller | None:
    """Whose token it is; None when it is nobody's."""
    head, _, rest = token.strip()[:_LONGEST].partition(".")
    said, _, signature = rest.rpartition(".")
    is_ours = head == PREFIX and token.isascii()
    if not is_ours or not hmac.compare_digest(signature, _signature(key, said)):
        return None
    parts = said.split(".")
    if parts[0] == _PERSON:
        return Caller(name=bytes.fromhex(parts[1]).decode())
    task_id, attempt, fence = parts
    return Caller(name="", run=RunKey(task_id, int(attempt), int(fence)))


def _named(caller: Caller) -> str:
    """In hexadecimal: a name may hold anything."""
    return caller.name[:60].encode().hex()


def _signature(key: bytes, said: str) -> str:
    return hmac.new(key, f"{PREFIX}.{said}".encode(), sha256).hexdigest()
