"""How a PostgreSQL database is named in messages: never with what is secret. Knows no driver."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from abathur.domain.errors import DatabaseError

SCHEMES: Final = frozenset({"postgresql", "postgres"})
URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
SHOWN: Final = frozenset({"host", "hostaddr", "port", "dbname", "user", "service"})
"""Parameters that tell where a database is; the others might hold secrets."""


def is_url(text: str) -> bool:
    return URL.match(text) is not None


def shown(url: str) -> str:
    """The URL with user, host, port, database and service, and nothing else.

    Raises `DatabaseError` when it isn't one of PostgreSQL.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        # What it says about the URL may hold the password.
        raise DatabaseError("the database's URL can't be understood; check its syntax") from None
    if parts.scheme not in SCHEMES:
        raise DatabaseError(
            f"`{parts.scheme}://` is no database that can be used; give the path of a file, or a "
            "URL like postgresql://user@host/database"
        )
    if parts.netloc.count("@") > 1:
        raise DatabaseError("the database's URL has two `@`; write that of a password as `%40`")
    if "@" in parts.path + parts.fragment or (_has_login(parts.netloc) and "@" in parts.query):
        # The password ends elsewhere than it seems to, and would be taken for a host or a name.
        raise DatabaseError(
            "the database's URL has a `/`, `?` or `#` in its user or password; write it as `%2F`, "
            "`%3F` or `%23` (and an `@` as `%40`)"
        )
    user, at, place = parts.netloc.rpartition("@")
    told = "&".join(f"{name}={quote(value, '/,:')}" for name, value in pairs if name in SHOWN)
    netloc = f"{user.partition(':')[0]}{at}{place}"
    return f"postgresql://{netloc}{parts.path}{'?' if told else ''}{told}"


def _has_login(netloc: str) -> bool:
    """Whether what stands for a host may be the begin of `user:password@host`."""
    return "@" not in netloc and ":" in netloc
